# The registry, the cluster, the logs, and a task definition for each role.

resource "aws_ecr_repository" "this" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_ecs_cluster" "this" {
  name = var.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_cloudwatch_log_group" "role" {
  for_each          = var.roles
  name              = "/${var.name}/${each.key}"
  retention_in_days = 30
}

locals {
  commands = {
    speed   = ["run", "speed", "--http", ":8080"]
    archive = ["run", "archive", "--http", ":8080"]
    serve   = ["run", "serve", "--http", ":8080"]
    watch   = ["run", "watch", "--http", ":8080"]
    batch   = ["batch", "run", "-o", "json"]
  }
}

resource "aws_ecs_task_definition" "role" {
  for_each                 = var.roles
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.role[each.key].arn

  ephemeral_storage {
    size_in_gib = each.key == "batch" ? 100 : 30
  }

  volume {
    name = "tmp"
  }

  # the image of a project: caudal's, with the project's folder at /etc/caudal
  container_definitions = jsonencode(concat([{
    name                   = "caudal"
    image                  = "${aws_ecr_repository.this.repository_url}:${var.image_tag}"
    command                = local.commands[each.key]
    essential              = true
    readonlyRootFilesystem = true
    user                   = "65532:65532"
    stopTimeout            = 60
    portMappings           = each.key == "batch" ? [] : [{ containerPort = 8080, protocol = "tcp" }]
    mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    environment = [for k, v in merge(var.environment, {
      GOMEMLIMIT = "${floor(each.value.memory * (each.key == "batch" ? 1 : 3) / 4)}MiB"
    }) : { name = k, value = v }]
    secrets = [for k, v in var.secrets : { name = k, valueFrom = v }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.role[each.key].name
        awslogs-region        = var.region
        awslogs-stream-prefix = each.key
      }
    }
  }], local.collector_containers[each.key]))
}

# Batch is no service: the scheduler starts it.
resource "aws_ecs_service" "role" {
  for_each               = { for name, role in var.roles : name => role if name != "batch" }
  name                   = each.key
  cluster                = aws_ecs_cluster.this.id
  task_definition        = aws_ecs_task_definition.role[each.key].arn
  desired_count          = each.value.count
  launch_type            = "FARGATE"
  enable_execute_command = false

  # a rolling restart without a gap: the new ones are up before the old ones go
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = var.subnet_ids
    security_groups = [var.security_group_id]
  }

  dynamic "load_balancer" {
    for_each = each.key == "serve" ? [aws_lb_target_group.serve.arn] : []
    content {
      target_group_arn = load_balancer.value
      container_name   = "caudal"
      container_port   = 8080
    }
  }

  depends_on = [aws_lb_listener.serve]
}
