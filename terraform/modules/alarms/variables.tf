variable "name" {
  description = "Begins every resource's name"
  type        = string
}

variable "project" {
  description = "Name of the project in caudal.yaml"
  type        = string
}

variable "email" {
  description = "Who is told; empty: nobody"
  type        = string
}

variable "kafka_cluster" {
  description = "Name of the MSK cluster"
  type        = string
}

variable "redis_group" {
  description = "Id of the replication group"
  type        = string
}

variable "ecs_cluster" {
  description = "Name of the ECS cluster"
  type        = string
}

variable "batch_log_group" {
  description = "Where batch runs say what they published"
  type        = string
}

variable "load_balancer" {
  description = "Suffix of the load balancer's ARN"
  type        = string
}

variable "topics" {
  description = "Topics whose lag is watched"
  type        = list(string)
}
