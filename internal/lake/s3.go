package lake

import (
	"context"
	"errors"
)

func openS3(ctx context.Context, url string, opt Options) (Store, error) {
	return nil, errors.New("unsupported")
}
