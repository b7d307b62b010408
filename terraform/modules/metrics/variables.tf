variable "name" {
  description = "Begins every resource's name"
  type        = string
}

variable "region" {
  description = "AWS region of the topic"
  type        = string
}

variable "rules" {
  description = "A file of Prometheus' rules"
  type        = string
}

variable "topic_arn" {
  description = "Topic that alerts are told to"
  type        = string
}
