package testservices

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Set changes one setting of a topic.
func (t Topics) Set(ctx context.Context, topic, name, value string) error {
	return t.with(ctx, "set "+name+" of topic "+topic, func(ctx context.Context, c *kgo.Client) error {
		setting := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		setting.Name, setting.Op, setting.Value = name, kmsg.IncrementalAlterConfigOpSet, kmsg.StringPtr(value)
		of := kmsg.NewIncrementalAlterConfigsRequestResource()
		of.ResourceType, of.ResourceName, of.Configs = kmsg.ConfigResourceTypeTopic, topic, append(of.Configs, setting)
		request := kmsg.NewPtrIncrementalAlterConfigsRequest()
		request.Resources = append(request.Resources, of)
		response, err := request.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(response.Resources[0].ErrorCode)
	})
}

// AllowTopic leaves a user one right to a topic, of those who are not superusers alone: "read" or "describe". The broker needs an authorizer, as SecureKafka has.
func (t Topics) AllowTopic(ctx context.Context, user, topic, operation string) error {
	return t.allow(ctx, user, kmsg.ACLResourceTypeTopic, topic, operation)
}

// AllowGroup leaves a user one right to a consumer group, of those who are not superusers alone: "read" or "describe".
func (t Topics) AllowGroup(ctx context.Context, user, group, operation string) error {
	return t.allow(ctx, user, kmsg.ACLResourceTypeGroup, group, operation)
}

func (t Topics) allow(ctx context.Context, user string, resource kmsg.ACLResourceType, name, operation string) error {
	op, err := kmsg.ParseACLOperation(operation)
	if err != nil {
		return err
	}
	return t.with(ctx, "allow to "+operation+" "+name, func(ctx context.Context, c *kgo.Client) error {
		rule := kmsg.NewCreateACLsRequestCreation()
		rule.ResourceType, rule.ResourceName, rule.ResourcePatternType = resource, name, kmsg.ACLResourcePatternTypeLiteral
		rule.Principal, rule.Host, rule.Operation, rule.PermissionType = "User:"+user, "*", op, kmsg.ACLPermissionTypeAllow
		request := kmsg.NewPtrCreateACLsRequest()
		request.Creations = append(request.Creations, rule)
		response, err := request.RequestWith(ctx, c)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(response.Results[0].ErrorCode)
	})
}
