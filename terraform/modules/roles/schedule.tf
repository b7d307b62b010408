# The batch of every night.

data "aws_iam_policy_document" "scheduler" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name               = "${var.name}-scheduler"
  assume_role_policy = data.aws_iam_policy_document.scheduler.json
}

data "aws_iam_policy_document" "start" {
  statement {
    actions   = ["ecs:RunTask"]
    resources = [aws_ecs_task_definition.role["batch"].arn]
  }
  statement {
    actions   = ["iam:PassRole"]
    resources = [aws_iam_role.execution.arn, aws_iam_role.role["batch"].arn]
  }
}

resource "aws_iam_role_policy" "start" {
  name   = "start-batch"
  role   = aws_iam_role.scheduler.id
  policy = data.aws_iam_policy_document.start.json
}

resource "aws_scheduler_schedule" "batch" {
  name                         = "${var.name}-batch"
  schedule_expression          = var.batch_schedule
  schedule_expression_timezone = "UTC"
  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = aws_ecs_cluster.this.arn
    role_arn = aws_iam_role.scheduler.arn
    ecs_parameters {
      task_definition_arn = aws_ecs_task_definition.role["batch"].arn
      launch_type         = "FARGATE"
      network_configuration {
        subnets         = var.subnet_ids
        security_groups = [var.security_group_id]
      }
    }
    retry_policy {
      maximum_retry_attempts       = 3
      maximum_event_age_in_seconds = 3600
    }
  }
}
