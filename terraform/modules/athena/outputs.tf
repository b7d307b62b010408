output "workgroup" {
  value = aws_athena_workgroup.this.name
}
