variable "name" {
  description = "Name of the deployment; it begins every resource's name"
  type        = string
  default     = "caudal"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "Lower-case letters, digits and -, 2 to 21 of them, beginning with a letter."
  }
}

variable "project" {
  description = "Name of the project in caudal.yaml; consumer groups carry it"
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9_-]{0,62}$", var.project))
    error_message = "As in caudal.yaml: lower-case letters, digits, _ and -."
  }
}

variable "topics" {
  description = "Topics of the project's sources, whose lag is watched"
  type        = list(string)
  validation {
    condition     = length(var.topics) > 0 && alltrue([for t in var.topics : can(regex("^[a-zA-Z0-9._-]{1,249}$", t))])
    error_message = "At least one, each a name that Kafka takes."
  }
}

variable "region" {
  description = "AWS region"
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "A region such as eu-west-1."
  }
}

variable "cidr" {
  description = "Addresses of the VPC; a /16 leaves room for the subnets of three zones"
  type        = string
  default     = "10.40.0.0/16"
  validation {
    condition     = can(cidrhost(var.cidr, 0)) && tonumber(split("/", var.cidr)[1]) <= 20
    error_message = "A range of IPv4 addresses, /20 or larger."
  }
}

variable "image_tag" {
  description = "Tag of the image in the registry that this makes (output registry_url)"
  type        = string
  validation {
    condition     = length(var.image_tag) > 0 && var.image_tag != "latest"
    error_message = "Pin a version: a tag other than latest."
  }
}

variable "kafka" {
  description = "MSK: brokers by zone, their size, storage in GiB for each, and hours that records are kept"
  type = object({
    version         = optional(string, "3.8.x")
    brokers_by_zone = optional(number, 1)
    instance_type   = optional(string, "kafka.m7g.large")
    storage_gib     = optional(number, 500)
    retention_hours = optional(number, 168)
  })
  default = {}
  validation {
    condition     = var.kafka.retention_hours >= 48
    error_message = "Keep records for two days at least: the archive may stand still over a night, and a batch comes once a day."
  }
  validation {
    condition     = var.kafka.brokers_by_zone >= 1 && var.kafka.storage_gib >= 10
    error_message = "At least one broker by zone, and 10 GiB for each."
  }
}

variable "kafka_auth" {
  description = "How the tasks are known to Kafka: iam (their own roles, no password) or scram"
  type        = string
  default     = "iam"
  validation {
    condition     = contains(["iam", "scram"], var.kafka_auth)
    error_message = "iam or scram."
  }
}

variable "made_topics" {
  description = "Topics that the role watch makes and writes to: those of emit and of sinks in the definitions"
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for t in var.made_topics : can(regex("^[a-zA-Z0-9._-]{1,249}$", t))])
    error_message = "Names that Kafka takes."
  }
}

variable "collector_image" {
  description = "Image of the AWS Distro for OpenTelemetry, which scrapes each task: pin a version"
  type        = string
  default     = "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.1"
  validation {
    condition     = can(regex(":v?[0-9]+[.][0-9]+", var.collector_image))
    error_message = "A tag with a version."
  }
}

variable "redis" {
  description = "ElastiCache (Valkey): shards, replicas of each, node type"
  type = object({
    node_type = optional(string, "cache.m7g.large")
    shards    = optional(number, 1)
    replicas  = optional(number, 1)
  })
  default = {}
  validation {
    condition     = var.redis.shards >= 1 && var.redis.replicas >= 0 && var.redis.replicas <= 5
    error_message = "At least one shard, and up to 5 replicas of each."
  }
}

variable "roles" {
  description = "Fargate tasks by role: how many, CPU units (1024 are one core), memory in MiB"
  type = map(object({
    count  = number
    cpu    = number
    memory = number
  }))
  default = {
    speed   = { count = 2, cpu = 2048, memory = 4096 }
    archive = { count = 2, cpu = 1024, memory = 2048 }
    serve   = { count = 2, cpu = 1024, memory = 4096 }
    watch   = { count = 2, cpu = 512, memory = 1024 }
    batch   = { count = 1, cpu = 4096, memory = 16384 }
  }
  validation {
    condition     = toset(keys(var.roles)) == toset(["speed", "archive", "serve", "watch", "batch"])
    error_message = "The roles are speed, archive, serve, watch and batch."
  }
  validation {
    condition     = alltrue([for r in values(var.roles) : contains([256, 512, 1024, 2048, 4096, 8192, 16384], r.cpu)])
    error_message = "Fargate has 256, 512, 1024, 2048, 4096, 8192 or 16384 CPU units."
  }
}

variable "batch_schedule" {
  description = "When the batch runs: an expression of EventBridge Scheduler, in UTC"
  type        = string
  default     = "cron(0 2 * * ? *)"
  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", var.batch_schedule))
    error_message = "cron(…) or rate(…)."
  }
}

variable "lake_archive_days" {
  description = "Days after which raw segments move to infrequent access"
  type        = number
  default     = 90
  validation {
    condition     = var.lake_archive_days >= 30
    error_message = "S3 takes 30 days at least."
  }
}

variable "alarm_email" {
  description = "Who is told of alarms; empty: nobody"
  type        = string
  default     = ""
  validation {
    condition     = var.alarm_email == "" || can(regex("^[^@ ]+@[^@ ]+$", var.alarm_email))
    error_message = "An address, or nothing."
  }
}

variable "certificate_arn" {
  description = "Certificate (ACM) of the API's load balancer; empty: the balancer is internal and speaks HTTP"
  type        = string
  default     = ""
  validation {
    condition     = var.certificate_arn == "" || startswith(var.certificate_arn, "arn:")
    error_message = "The ARN of a certificate, or nothing."
  }
}
