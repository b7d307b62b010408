package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ClusterID is the broker's id of its cluster: new with a new folder, the same as long as the log is continued.
func (b *Broker) ClusterID() (string, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
	if err != nil {
		return "", fmt.Errorf("ask the embedded broker for its cluster id: %w", err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{}
	response, err := request.RequestWith(ctx, client)
	if err == nil && response.ClusterID == nil {
		err = errors.New("it tells none")
	}
	if err != nil {
		return "", fmt.Errorf("ask the embedded broker for its cluster id: %w", err)
	}
	return *response.ClusterID, nil
}
