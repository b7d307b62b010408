# Kafka by IAM: each role signs its connections with its own task role, and may do there what it does and no more. Where the brokers ask for SCRAM
# nothing of this is made.

locals {
  # what each role does, by what it does it to
  kafka_rights = {
    speed   = { topics = ["ReadData"], groups = ["AlterGroup", "DescribeGroup"], made = [] }
    archive = { topics = ["ReadData"], groups = ["AlterGroup", "DescribeGroup"], made = [] }
    serve   = { topics = ["WriteData"], groups = [], made = [] }                            # events that come over HTTP
    watch   = { topics = [], groups = [], made = ["CreateTopic", "WriteData", "ReadData"] } # topics of rows and of alerts
    batch   = { topics = [], groups = [], made = [] }
  }
  kafka_roles = { for name, role in var.roles : name => role if var.kafka_by_iam }
  topic_arns  = [for topic in var.topics : "${var.kafka_arns.topics}/${topic}"]
}

data "aws_iam_policy_document" "kafka" {
  for_each = local.kafka_roles
  statement {
    actions   = ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster"]
    resources = [var.kafka_arns.cluster]
  }
  statement {
    actions = concat(["kafka-cluster:DescribeTopic", "kafka-cluster:DescribeTopicDynamicConfiguration"],
    [for action in local.kafka_rights[each.key].topics : "kafka-cluster:${action}"])
    resources = local.topic_arns
  }
  dynamic "statement" {
    for_each = length(local.kafka_rights[each.key].groups) > 0 ? ["groups"] : []
    content {
      actions   = [for action in local.kafka_rights[each.key].groups : "kafka-cluster:${action}"]
      resources = ["${var.kafka_arns.groups}/caudal-*"]
    }
  }
  dynamic "statement" {
    for_each = length(local.kafka_rights[each.key].made) > 0 && length(var.made_topics) > 0 ? ["made"] : []
    content {
      actions   = concat(["kafka-cluster:DescribeTopic"], [for action in local.kafka_rights[each.key].made : "kafka-cluster:${action}"])
      resources = [for topic in var.made_topics : "${var.kafka_arns.topics}/${topic}"]
    }
  }
}

resource "aws_iam_role_policy" "kafka" {
  for_each = local.kafka_roles
  name     = "kafka"
  role     = aws_iam_role.role[each.key].id
  policy   = data.aws_iam_policy_document.kafka[each.key].json
}
