# SQL over the lake: a catalog database and a workgroup that bounds what a query may read. Tables are made by hand,
# with partition projection over dt and p (README.md).

resource "aws_glue_catalog_database" "lake" {
  name = replace(var.name, "-", "_")
}

resource "aws_athena_workgroup" "this" {
  name = var.name
  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.max_bytes
    result_configuration {
      output_location = "s3://${var.bucket}/athena/"
      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = var.key_arn
      }
    }
  }
}

# For people and tools that read the lake: attach it to their role.
data "aws_iam_policy_document" "reader" {
  statement {
    actions   = ["athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults", "athena:StopQueryExecution"]
    resources = [aws_athena_workgroup.this.arn]
  }
  statement {
    actions   = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartitions"]
    resources = ["*"]
  }
  statement {
    actions   = ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"]
    resources = [var.bucket_arn, "${var.bucket_arn}/*"]
  }
  statement {
    actions   = ["s3:PutObject"]
    resources = ["${var.bucket_arn}/athena/*"]
  }
  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.key_arn]
  }
}

resource "aws_iam_policy" "reader" {
  name   = "${var.name}-lake-reader"
  policy = data.aws_iam_policy_document.reader.json
}
