# The way to the API: HTTPS from outside where a certificate is given, otherwise inside the VPC only.

locals {
  public = var.certificate_arn != ""
}

resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "caudal's API"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  security_group_id = aws_security_group.balancer.id
  cidr_ipv4         = local.public ? "0.0.0.0/0" : data.aws_vpc.this.cidr_block
  from_port         = local.public ? 443 : 80
  to_port           = local.public ? 443 : 80
  ip_protocol       = "tcp"
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  security_group_id            = aws_security_group.balancer.id
  referenced_security_group_id = var.security_group_id
  from_port                    = 8080
  to_port                      = 8080
  ip_protocol                  = "tcp"
}

resource "aws_vpc_security_group_ingress_rule" "tasks" {
  security_group_id            = var.security_group_id
  referenced_security_group_id = aws_security_group.balancer.id
  from_port                    = 8080
  to_port                      = 8080
  ip_protocol                  = "tcp"
}

data "aws_vpc" "this" {
  id = var.vpc_id
}

resource "aws_lb" "serve" {
  name                       = var.name
  internal                   = !local.public
  load_balancer_type         = "application"
  subnets                    = local.public ? var.public_subnet_ids : var.subnet_ids
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
}

resource "aws_lb_target_group" "serve" {
  name                 = var.name
  port                 = 8080
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 30
  health_check {
    path                = "/readyz"
    interval            = 10
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "serve" {
  load_balancer_arn = aws_lb.serve.arn
  port              = local.public ? 443 : 80
  protocol          = local.public ? "HTTPS" : "HTTP"
  certificate_arn   = local.public ? var.certificate_arn : null
  ssl_policy        = local.public ? "ELBSecurityPolicy-TLS13-1-2-2021-06" : null
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.serve.arn
  }
}
