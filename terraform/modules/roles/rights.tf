# Who may do what. Nobody but the batch may delete, and serving may write no more than what people silence and acknowledge.

data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

data "aws_iam_policy_document" "secrets" {
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = var.secret_arns
  }
  statement {
    actions   = ["kms:Decrypt"]
    resources = var.secret_key_arns
  }
}

resource "aws_iam_role_policy" "secrets" {
  name   = "secrets"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.secrets.json
}

locals {
  # What each role may do to objects of the lake beside reading them, by patterns below its prefix. A test runs every role before a bucket that lets
  # pass just this (TestEveryCommandOfTheDescriptionsDoesItsWork).
  lake_rights = jsondecode(file("${path.module}/lake_rights.json"))
  lake        = "${var.bucket_arn}/${var.name}"
}

resource "aws_iam_role" "role" {
  for_each           = var.roles
  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

data "aws_iam_policy_document" "lake" {
  for_each = var.roles
  statement {
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arn]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${var.name}/*"]
    }
  }
  statement {
    actions   = ["s3:GetObject"]
    resources = ["${local.lake}/*"]
  }
  statement {
    actions   = ["s3:PutObject"]
    resources = [for pattern in local.lake_rights[each.key].put : "${local.lake}/${pattern}"]
  }
  dynamic "statement" {
    for_each = length(local.lake_rights[each.key].delete) > 0 ? ["delete"] : []
    content {
      actions   = ["s3:DeleteObject"]
      resources = [for pattern in local.lake_rights[each.key].delete : "${local.lake}/${pattern}"]
    }
  }
  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.bucket_key_arn]
  }
}

resource "aws_iam_role_policy" "lake" {
  for_each = var.roles
  name     = "lake"
  role     = aws_iam_role.role[each.key].id
  policy   = data.aws_iam_policy_document.lake[each.key].json
}
