variable "name" {
  description = "Begins every resource's name"
  type        = string
}

variable "vpc_id" {
  description = "VPC of the brokers"
  type        = string
}

variable "subnet_ids" {
  description = "One subnet for each zone"
  type        = list(string)
}

variable "client_id" {
  description = "Security group of those who may connect"
  type        = string
}

variable "settings" {
  description = "As variable kafka of the root"
  type = object({
    version         = string
    brokers_by_zone = number
    instance_type   = string
    storage_gib     = number
    retention_hours = number
  })
}
