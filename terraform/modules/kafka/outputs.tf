output "brokers" {
  value = aws_msk_cluster.this.bootstrap_brokers_sasl_scram
}

output "cluster_name" {
  value = aws_msk_cluster.this.cluster_name
}

output "secret_arn" {
  value = aws_secretsmanager_secret.kafka.arn
}

output "key_arn" {
  value = aws_kms_key.kafka.arn
}
