output "bucket" {
  value = aws_s3_bucket.lake.bucket
}

output "bucket_arn" {
  value = aws_s3_bucket.lake.arn
}

output "key_arn" {
  value = aws_kms_key.lake.arn
}
