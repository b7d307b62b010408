# A managed Prometheus: what the tasks export, this repository's own rules over it, and whom they tell. The tasks' sidecars write to it.

resource "aws_prometheus_workspace" "this" {
  alias = var.name
}

# AMP reads rule files as Prometheus does: these are the ones that promtool tests (infra/prometheus/rules_test.yaml)
resource "aws_prometheus_rule_group_namespace" "caudal" {
  name         = var.name
  workspace_id = aws_prometheus_workspace.this.id
  data         = var.rules
}

resource "aws_prometheus_alert_manager_definition" "this" {
  workspace_id = aws_prometheus_workspace.this.id
  definition = yamlencode({
    alertmanager_config = yamlencode({
      route = {
        receiver        = "sns"
        group_by        = ["alertname"]
        repeat_interval = "4h"
      }
      receivers = [{
        name = "sns"
        sns_configs = [{
          topic_arn     = var.topic_arn
          send_resolved = true
          sigv4         = { region = var.region }
        }]
      }]
    })
  })
}
