output "address" {
  value = "${aws_elasticache_replication_group.this.configuration_endpoint_address}:6379"
}

output "replication_group_id" {
  value = aws_elasticache_replication_group.this.replication_group_id
}

output "secret_arn" {
  value = aws_secretsmanager_secret.redis.arn
}
