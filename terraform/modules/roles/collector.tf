# What scrapes each task and writes to the managed Prometheus: a sidecar, so that a task is found by who runs beside it and a role's series carry
# its name and the task's.

locals {
  collector = yamlencode({
    extensions = { sigv4auth = { region = var.region, service = "aps" } }
    receivers = { prometheus = { config = {
      global = { scrape_interval = "30s" }
      scrape_configs = [{
        job_name       = "caudal"
        static_configs = [{ targets = ["localhost:8080"] }]
      }]
    } } }
    processors = {
      resourcedetection = { detectors = ["env", "ecs"] }
      batch             = { timeout = "10s" }
    }
    exporters = { prometheusremotewrite = {
      endpoint                         = var.remote_write_url
      auth                             = { authenticator = "sigv4auth" }
      resource_to_telemetry_conversion = { enabled = true }
    } }
    service = {
      extensions = ["sigv4auth"]
      pipelines  = { metrics = { receivers = ["prometheus"], processors = ["resourcedetection", "batch"], exporters = ["prometheusremotewrite"] } }
    }
  })

  # a role that ends without its collector goes on, and the other way about
  collector_containers = { for role in keys(var.roles) : role => role == "batch" ? [] : [{
    name      = "collector"
    image     = var.collector_image
    essential = false
    environment = [
      { name = "AOT_CONFIG_CONTENT", value = local.collector },
      { name = "OTEL_RESOURCE_ATTRIBUTES", value = "role=${role}" },
    ]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.role[role].name
        awslogs-region        = var.region
        awslogs-stream-prefix = "collector"
      }
    }
  }] }
}

data "aws_iam_policy_document" "metrics" {
  statement {
    actions   = ["aps:RemoteWrite"]
    resources = [var.metrics_workspace_arn]
  }
}

resource "aws_iam_role_policy" "metrics" {
  for_each = { for name, role in var.roles : name => role if name != "batch" }
  name     = "metrics"
  role     = aws_iam_role.role[each.key].id
  policy   = data.aws_iam_policy_document.metrics.json
}
