# What AWS itself sees, and so is told where no task runs that could be scraped; the finer ones are in infra/prometheus and go to the managed Prometheus.

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

data "aws_caller_identity" "this" {}

# CloudWatch and the managed Prometheus of this account tell it; nobody else may
data "aws_iam_policy_document" "alarms" {
  statement {
    actions   = ["sns:Publish", "sns:GetTopicAttributes"]
    resources = [aws_sns_topic.alarms.arn]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "aps.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.alarms.json
}

resource "aws_sns_topic_subscription" "email" {
  count     = var.email == "" ? 0 : 1
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.email
}

resource "aws_cloudwatch_metric_alarm" "redis_memory" {
  alarm_name          = "${var.name}-redis-memory"
  alarm_description   = "Redis is nearly full: docs/operations/alerts.md#caudalredismemory"
  namespace           = "AWS/ElastiCache"
  metric_name         = "DatabaseMemoryUsagePercentage"
  dimensions          = { ReplicationGroupId = var.redis_group }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "GreaterThanThreshold"
  threshold           = 85
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "redis_evictions" {
  alarm_name          = "${var.name}-redis-evictions"
  alarm_description   = "Redis evicts, which makes answers wrong: set maxmemory-policy noeviction"
  namespace           = "AWS/ElastiCache"
  metric_name         = "Evictions"
  dimensions          = { ReplicationGroupId = var.redis_group }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "kafka_disk" {
  alarm_name          = "${var.name}-kafka-disk"
  alarm_description   = "A broker's disk fills up"
  namespace           = "AWS/Kafka"
  metric_name         = "KafkaDataLogsDiskUsed"
  dimensions          = { "Cluster Name" = var.kafka_cluster }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 80
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

locals {
  # the consumer groups of the roles that read the log
  groups = {
    speed   = "caudal-${var.project}-speed"
    archive = "caudal-archive-${var.project}"
  }
  # MSK tells a group's lag by topic only
  lags = { for pair in setproduct(keys(local.groups), var.topics) : "${pair[0]}-${pair[1]}" => { role = pair[0], topic = pair[1] } }
}

resource "aws_cloudwatch_metric_alarm" "lag" {
  for_each            = local.lags
  alarm_name          = "${var.name}-${each.key}-lag"
  alarm_description   = "docs/operations/alerts.md#caudalspeedlag"
  namespace           = "AWS/Kafka"
  metric_name         = "EstimatedMaxTimeLag"
  dimensions          = { "Cluster Name" = var.kafka_cluster, "Consumer Group" = local.groups[each.value.role], Topic = each.value.topic }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.role == "speed" ? 30 : 900
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "running" {
  for_each            = toset(["speed", "archive", "serve", "watch"])
  alarm_name          = "${var.name}-${each.key}-running"
  alarm_description   = "No task of this role runs: docs/operations/alerts.md#caudalroledown"
  namespace           = "ECS/ContainerInsights"
  metric_name         = "RunningTaskCount"
  dimensions          = { ClusterName = var.ecs_cluster, ServiceName = each.key }
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

# A run that published says so; a day without one is a batch that was missed.
resource "aws_cloudwatch_log_metric_filter" "published" {
  name           = "${var.name}-published"
  log_group_name = var.batch_log_group
  pattern        = "snapshot"
  metric_transformation {
    name      = "Published"
    namespace = var.name
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "batch_missed" {
  alarm_name          = "${var.name}-batch-missed"
  alarm_description   = "docs/operations/alerts.md#caudalbatchmissed"
  namespace           = var.name
  metric_name         = aws_cloudwatch_log_metric_filter.published.metric_transformation[0].name
  statistic           = "Sum"
  period              = 86400
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "query_errors" {
  alarm_name          = "${var.name}-query-errors"
  alarm_description   = "docs/operations/alerts.md#caudalqueryerrors"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HTTPCode_Target_5XX_Count"
  dimensions          = { LoadBalancer = var.load_balancer }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 10
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}
