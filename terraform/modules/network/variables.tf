variable "name" {
  description = "Begins every resource's name"
  type        = string
}

variable "cidr" {
  description = "Addresses of the VPC"
  type        = string
}

variable "region" {
  description = "AWS region, which the name of the S3 endpoint carries"
  type        = string
}
