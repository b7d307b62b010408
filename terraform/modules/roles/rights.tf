# Who may do what. The archive and the speed layer may never delete; serving may not even write.

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
  # what each role does to objects of the lake
  object_actions = {
    speed   = ["s3:GetObject", "s3:PutObject"]
    archive = ["s3:GetObject", "s3:PutObject"]
    serve   = ["s3:GetObject"]
    batch   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
  }
  key_actions = {
    speed   = ["kms:Decrypt", "kms:GenerateDataKey"]
    archive = ["kms:Decrypt", "kms:GenerateDataKey"]
    serve   = ["kms:Decrypt"]
    batch   = ["kms:Decrypt", "kms:GenerateDataKey"]
  }
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
    actions   = local.object_actions[each.key]
    resources = ["${var.bucket_arn}/${var.name}/*"]
  }
  statement {
    actions   = local.key_actions[each.key]
    resources = [var.bucket_key_arn]
  }
}

resource "aws_iam_role_policy" "lake" {
  for_each = var.roles
  name     = "lake"
  role     = aws_iam_role.role[each.key].id
  policy   = data.aws_iam_policy_document.lake[each.key].json
}
