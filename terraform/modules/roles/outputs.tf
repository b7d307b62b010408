output "url" {
  value = "${local.public ? "https" : "http"}://${aws_lb.serve.dns_name}"
}

output "registry_url" {
  value = aws_ecr_repository.this.repository_url
}

output "cluster_name" {
  value = aws_ecs_cluster.this.name
}


output "log_group_names" {
  value = { for role, group in aws_cloudwatch_log_group.role : role => group.name }
}

output "load_balancer_suffix" {
  value = aws_lb.serve.arn_suffix
}
