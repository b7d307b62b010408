variable "name" {
  description = "Begins every resource's name, and is the lake's prefix in the bucket"
  type        = string
}

variable "region" {
  description = "AWS region of the logs"
  type        = string
}

variable "vpc_id" {
  description = "VPC of the tasks"
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, where the tasks are"
  type        = list(string)
}

variable "public_subnet_ids" {
  description = "Where a public load balancer is"
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the tasks"
  type        = string
}

variable "image_tag" {
  description = "Tag of the image"
  type        = string
}

variable "roles" {
  description = "As variable roles of the root"
  type = map(object({
    count  = number
    cpu    = number
    memory = number
  }))
}

variable "batch_schedule" {
  description = "Expression of EventBridge Scheduler, in UTC"
  type        = string
}

variable "certificate_arn" {
  description = "Certificate of the API; empty: internal, over HTTP"
  type        = string
}

variable "bucket_arn" {
  description = "The lake's bucket"
  type        = string
}

variable "bucket_key_arn" {
  description = "Key that the lake is encrypted with"
  type        = string
}

variable "environment" {
  description = "Variables that the project's definitions read"
  type        = map(string)
}

variable "secrets" {
  description = "The same, from Secrets Manager: name of the variable, and ARN with the field"
  type        = map(string)
}

variable "secret_arns" {
  description = "The secrets that these fields are of"
  type        = list(string)
}

variable "secret_key_arns" {
  description = "Keys that they are encrypted with, beside the account's own"
  type        = list(string)
}

variable "topics" {
  description = "Topics of the project's sources"
  type        = list(string)
}

variable "made_topics" {
  description = "Topics that the role watch makes and writes to: rows of views, alerts"
  type        = list(string)
}

variable "kafka_by_iam" {
  description = "Whether the tasks are known to Kafka by their IAM roles"
  type        = bool
}

variable "kafka_arns" {
  description = "ARN of the cluster, and what those of its topics and consumer groups begin with"
  type = object({
    cluster = string
    topics  = string
    groups  = string
  })
}

variable "remote_write_url" {
  description = "Where the collectors write what they scrape"
  type        = string
}

variable "metrics_workspace_arn" {
  description = "The same as an ARN"
  type        = string
}

variable "collector_image" {
  description = "Image of the AWS Distro for OpenTelemetry, pinned"
  type        = string
}
