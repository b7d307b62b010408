output "url" {
  description = "Where the API and the page are"
  value       = module.roles.url
}

output "registry_url" {
  description = "Where the image is pushed to before the roles can start"
  value       = module.roles.registry_url
}

output "bucket" {
  description = "The lake"
  value       = module.lake.bucket
}

output "kafka_brokers" {
  description = "Brokers for producers: SASL/SCRAM over TLS"
  value       = module.kafka.brokers
}

output "kafka_secret_arn" {
  description = "Secret with Kafka's user name and password"
  value       = module.kafka.secret_arn
}

output "redis_address" {
  description = "Configuration endpoint of the speed state"
  value       = module.redis.address
}

output "athena_workgroup" {
  description = "Workgroup for queries of the lake"
  value       = module.athena.workgroup
}

output "prometheus_url" {
  description = "Workspace of the managed Prometheus, for Grafana and promtool"
  value       = module.metrics.query_url
}
