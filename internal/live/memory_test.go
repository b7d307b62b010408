package live

import (
	"strings"
	"testing"
)

func TestMemoryIsTheShareOfTheLimitAndNothingWithoutOne(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		m, err := r.Memory(t.Context())
		if err != nil || m.Addr == "" || m.Limit != 0 || m.Share() != 0 || m.High() {
			t.Errorf("without a limit: %+v, %v", m, err)
		}
	})
	r := realRedis(t)
	ctx := t.Context()
	defer r.client.ConfigSet(ctx, "maxmemory", "0")
	for limit, high := range map[string]bool{"1gb": false, "1mb": true} {
		if err := r.client.ConfigSet(ctx, "maxmemory", limit).Err(); err != nil {
			t.Fatal(err)
		}
		m, err := r.Memory(ctx)
		if err != nil || m.Used == 0 || m.High() != high || !strings.Contains(m.String(), " %)") {
			t.Errorf("with %s: %v, high %v, %v", limit, m, m.High(), err)
		}
	}
}
