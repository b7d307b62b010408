package live

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func TestAGroupWeighsWhatRedisKeepsOfIt(t *testing.T) {
	eachServer(t, func(t *testing.T, r *Redis) {
		ctx := context.Background()
		other := group
		other.View = "nothing"
		m := take(t, r, 0, "t", "i")
		var chunks []ChunkWrite
		for c := range int64(3 * weighedChunks) { // more than are asked for
			var cells []string
			for i := range 100 {
				cells = append(cells, fmt.Sprintf("cell %d", i), strings.Repeat("x", 100))
			}
			chunks = append(chunks, write(minute(0, c), true, cells...))
		}
		flushed(t, r, step(m, 9, chunks...))
		weights, err := r.Weigh(ctx, []Group{group, other})
		if err != nil || len(weights) != 2 || weights[1] != 0 {
			t.Fatalf("%v, %v", weights, err)
		}
		payload := int64(3 * weighedChunks * 100 * (100 + 7))
		if weights[0] < payload || weights[0] > 3*payload {
			t.Errorf("%d bytes of cells weigh %d", payload, weights[0])
		}
		if none, err := r.Weigh(ctx, nil); err != nil || len(none) != 0 {
			t.Errorf("no groups: %v, %v", none, err)
		}
	})
}
