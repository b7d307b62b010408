# MSK: replicated over three zones, TLS everywhere. The tasks are known by their IAM roles, or by SCRAM, which producers elsewhere can speak too, with a
# secret that Terraform makes and nobody reads.

resource "aws_security_group" "kafka" {
  name        = "${var.name}-kafka"
  description = "Kafka brokers"
  vpc_id      = var.vpc_id
}

# 9096 asks for SCRAM, 9098 for IAM
resource "aws_vpc_security_group_ingress_rule" "kafka" {
  for_each                     = toset(["9096", "9098"])
  security_group_id            = aws_security_group.kafka.id
  referenced_security_group_id = var.client_id
  from_port                    = tonumber(each.key)
  to_port                      = tonumber(each.key)
  ip_protocol                  = "tcp"
}

resource "aws_kms_key" "kafka" {
  description         = "${var.name}: Kafka's storage and credentials"
  enable_key_rotation = true
}

resource "aws_msk_configuration" "this" {
  name              = var.name
  kafka_versions    = [var.settings.version]
  server_properties = <<-PROPERTIES
    auto.create.topics.enable=false
    default.replication.factor=3
    min.insync.replicas=2
    unclean.leader.election.enable=false
    log.retention.hours=${var.settings.retention_hours}
    message.max.bytes=16777216
    allow.everyone.if.no.acl.found=true
  PROPERTIES
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_msk_cluster" "this" {
  cluster_name           = var.name
  kafka_version          = var.settings.version
  number_of_broker_nodes = length(var.subnet_ids) * var.settings.brokers_by_zone
  enhanced_monitoring    = "PER_TOPIC_PER_PARTITION"

  broker_node_group_info {
    instance_type   = var.settings.instance_type
    client_subnets  = var.subnet_ids
    security_groups = [aws_security_group.kafka.id]
    storage_info {
      ebs_storage_info {
        volume_size = var.settings.storage_gib
      }
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }

  client_authentication {
    sasl {
      scram = true
      iam   = true
    }
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = aws_kms_key.kafka.arn
    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  open_monitoring {
    prometheus {
      jmx_exporter {
        enabled_in_broker = true
      }
      node_exporter {
        enabled_in_broker = true
      }
    }
  }
}

resource "random_password" "kafka" {
  length  = 32
  special = false
}

# MSK takes only secrets whose name begins so, under a key of one's own
resource "aws_secretsmanager_secret" "kafka" {
  name       = "AmazonMSK_${var.name}"
  kms_key_id = aws_kms_key.kafka.arn
}

resource "aws_secretsmanager_secret_version" "kafka" {
  secret_id = aws_secretsmanager_secret.kafka.id
  secret_string = jsonencode({
    username = var.name
    password = random_password.kafka.result
  })
}

resource "aws_msk_scram_secret_association" "this" {
  cluster_arn     = aws_msk_cluster.this.arn
  secret_arn_list = [aws_secretsmanager_secret.kafka.arn]
  depends_on      = [aws_secretsmanager_secret_version.kafka]
}
