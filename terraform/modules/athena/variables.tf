variable "name" {
  description = "Begins every resource's name"
  type        = string
}

variable "bucket" {
  description = "The lake's bucket"
  type        = string
}

variable "bucket_arn" {
  description = "ARN of it"
  type        = string
}

variable "key_arn" {
  description = "Key that it is encrypted with"
  type        = string
}

variable "max_bytes" {
  description = "Bytes that one query may read, at most"
  type        = number
  default     = 1099511627776
}
