# The whole of caudal on AWS. Each module is one concern; what one gives the next is in this file alone.

locals {
  kafka_by_iam = var.kafka_auth == "iam"
}

module "network" {
  source = "./modules/network"
  name   = var.name
  cidr   = var.cidr
  region = var.region
}

module "kafka" {
  source     = "./modules/kafka"
  name       = var.name
  vpc_id     = module.network.vpc_id
  subnet_ids = module.network.private_subnet_ids
  client_id  = module.network.tasks_security_group_id
  settings   = var.kafka
}

module "redis" {
  source     = "./modules/redis"
  name       = var.name
  vpc_id     = module.network.vpc_id
  subnet_ids = module.network.private_subnet_ids
  client_id  = module.network.tasks_security_group_id
  settings   = var.redis
}

module "lake" {
  source       = "./modules/lake"
  name         = var.name
  archive_days = var.lake_archive_days
}

module "roles" {
  source            = "./modules/roles"
  name              = var.name
  region            = var.region
  vpc_id            = module.network.vpc_id
  public_subnet_ids = module.network.public_subnet_ids
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = module.network.tasks_security_group_id
  image_tag         = var.image_tag
  roles             = var.roles
  batch_schedule    = var.batch_schedule
  certificate_arn   = var.certificate_arn
  bucket_arn        = module.lake.bucket_arn
  bucket_key_arn    = module.lake.key_arn
  topics            = var.topics
  made_topics       = var.made_topics
  kafka_by_iam      = local.kafka_by_iam
  kafka_arns        = module.kafka.arns

  remote_write_url      = module.metrics.remote_write_url
  metrics_workspace_arn = module.metrics.workspace_arn
  collector_image       = var.collector_image

  environment = {
    KAFKA_BROKERS        = local.kafka_by_iam ? module.kafka.iam_brokers : module.kafka.brokers
    KAFKA_TLS            = "true"
    KAFKA_SASL_MECHANISM = local.kafka_by_iam ? "AWS_MSK_IAM" : "SCRAM-SHA-512"
    REDIS_ADDRS          = module.redis.address
    REDIS_CLUSTER        = "true"
    REDIS_TLS            = "true"
    LAKE_URL             = "s3://${module.lake.bucket}/${var.name}"
    LAKE_REGION          = var.region
    BATCH_MEMORY         = "${floor(var.roles["batch"].memory * 3 / 4)}MB"
  }
  secrets = merge({
    REDIS_USERNAME = "${module.redis.secret_arn}:username::"
    REDIS_PASSWORD = "${module.redis.secret_arn}:password::"
    }, local.kafka_by_iam ? {} : {
    KAFKA_USERNAME = "${module.kafka.secret_arn}:username::"
    KAFKA_PASSWORD = "${module.kafka.secret_arn}:password::"
  })
  secret_arns     = concat([module.redis.secret_arn], local.kafka_by_iam ? [] : [module.kafka.secret_arn])
  secret_key_arns = [module.kafka.key_arn]
}

module "athena" {
  source     = "./modules/athena"
  name       = var.name
  bucket     = module.lake.bucket
  bucket_arn = module.lake.bucket_arn
  key_arn    = module.lake.key_arn
}

module "alarms" {
  source          = "./modules/alarms"
  name            = var.name
  project         = var.project
  topics          = var.topics
  email           = var.alarm_email
  kafka_cluster   = module.kafka.cluster_name
  redis_group     = module.redis.replication_group_id
  ecs_cluster     = module.roles.cluster_name
  batch_log_group = module.roles.log_group_names["batch"]
  load_balancer   = module.roles.load_balancer_suffix
}

module "metrics" {
  source    = "./modules/metrics"
  name      = var.name
  region    = var.region
  rules     = file("${path.module}/../infra/prometheus/rules.yaml")
  topic_arn = module.alarms.topic_arn
}
