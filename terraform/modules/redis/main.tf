# The speed state: Valkey in cluster mode. noeviction, because an evicted cell would be a wrong number; no snapshots, because all of it can be
# rebuilt from the log and the lake.

resource "aws_security_group" "redis" {
  name        = "${var.name}-redis"
  description = "Speed state"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "redis" {
  security_group_id            = aws_security_group.redis.id
  referenced_security_group_id = var.client_id
  from_port                    = 6379
  to_port                      = 6379
  ip_protocol                  = "tcp"
}

resource "aws_elasticache_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "this" {
  name   = var.name
  family = "valkey8"
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
  parameter {
    name  = "cluster-enabled"
    value = "yes"
  }
}

resource "random_password" "redis" {
  length  = 32
  special = false
}

resource "aws_secretsmanager_secret" "redis" {
  name = "${var.name}/redis"
}

resource "aws_secretsmanager_secret_version" "redis" {
  secret_id = aws_secretsmanager_secret.redis.id
  secret_string = jsonencode({
    username = var.name
    password = random_password.redis.result
  })
}

resource "aws_elasticache_user" "caudal" {
  user_id       = var.name
  user_name     = var.name
  engine        = "valkey"
  access_string = "on ~* +@read +@write +@scripting +@connection +info +cluster -@dangerous +info"
  authentication_mode {
    type      = "password"
    passwords = [random_password.redis.result]
  }
}

resource "aws_elasticache_user_group" "this" {
  user_group_id = var.name
  engine        = "valkey"
  user_ids      = [aws_elasticache_user.caudal.user_id]
}

resource "aws_elasticache_replication_group" "this" {
  replication_group_id       = var.name
  description                = "caudal's speed state"
  engine                     = "valkey"
  engine_version             = "8.0"
  node_type                  = var.settings.node_type
  num_node_groups            = var.settings.shards
  replicas_per_node_group    = var.settings.replicas
  automatic_failover_enabled = true
  multi_az_enabled           = var.settings.replicas > 0
  parameter_group_name       = aws_elasticache_parameter_group.this.name
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = [aws_security_group.redis.id]
  user_group_ids             = [aws_elasticache_user_group.this.user_group_id]
  transit_encryption_enabled = true
  at_rest_encryption_enabled = true
  snapshot_retention_limit   = 0
}
