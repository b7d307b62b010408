variable "name" {
  description = "Begins every resource's name"
  type        = string
}

variable "vpc_id" {
  description = "VPC of the nodes"
  type        = string
}

variable "subnet_ids" {
  description = "Where the nodes are"
  type        = list(string)
}

variable "client_id" {
  description = "Security group of those who may connect"
  type        = string
}

variable "settings" {
  description = "As variable redis of the root"
  type = object({
    node_type = string
    shards    = number
    replicas  = number
  })
}
