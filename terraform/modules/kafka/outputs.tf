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

output "iam_brokers" {
  value = aws_msk_cluster.this.bootstrap_brokers_sasl_iam
}

# arn:…:cluster/NAME/ID, and with topic and group in the place of cluster
output "arns" {
  value = {
    cluster = aws_msk_cluster.this.arn
    topics  = replace(aws_msk_cluster.this.arn, ":cluster/", ":topic/")
    groups  = replace(aws_msk_cluster.this.arn, ":cluster/", ":group/")
  }
}
