package main

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/caudal/caudal/serving"
)

// What is known of the stations: computed from the whole file by somebody else, by its exact decimals. An hour in which a station measured
// nothing at all is no line of the example's file.
var airKnown = map[string]struct {
	readings, measured int64
	sum                string
}{
	"Aotizhongxin": {35064 - 637, 34139, "2825808.3"},
	"Dongsi":       {35064 - 451, 34314, "2957671.1"},
	"Huairou":      {35064 - 658, 34111, "2375025.0"},
}

func TestTheAirOfTheStationsIsWhatIsKnown(t *testing.T) {
	t.Parallel()
	replayExample(t, "air", "air.csv.gz", 103446, func(ctx context.Context, _ *whole, server *serving.Server) error {
		result, err := server.Query(ctx, serving.Query{View: "quality", Dimensions: []string{"station"}, Measures: []string{"readings", "measured", "pm25_sum", "gaps"}})
		if err != nil {
			return err
		}
		text, err := json.Marshal(result)
		if err != nil {
			return err
		}
		var body struct {
			Data []struct {
				Station                  string
				Readings, Measured, Gaps int64
				Sum                      string `json:"pm25_sum"`
			}
		}
		if err := json.Unmarshal(text, &body); err != nil {
			return err
		}
		var lines []string
		for _, d := range body.Data {
			k := airKnown[d.Station]
			if d.Readings != k.readings || d.Measured != k.measured || d.Sum != k.sum || d.Gaps != k.readings-k.measured {
				t.Errorf("%+v, want %+v", d, k)
			}
			lines = append(lines, fmt.Sprintf("| %s | %d | %d | %d | %s |", d.Station, d.Readings, d.Gaps, d.Measured, d.Sum))
		}
		if len(body.Data) != len(airKnown) {
			t.Errorf("%d stations, want %d", len(body.Data), len(airKnown))
		}
		heldTo(t, "examples/air/README.md", lines)
		return nil
	})
}
