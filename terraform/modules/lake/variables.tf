variable "name" {
  description = "Begins every resource's name, and is the lake's prefix in the bucket"
  type        = string
}

variable "archive_days" {
  description = "Days after which raw segments move to infrequent access"
  type        = number
}
