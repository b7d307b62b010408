package table

import (
	"fmt"

	"github.com/caudal/caudal/internal/lake"
)

// Report says what a compaction did to the table of a source.
type Report struct {
	Source       string  `json:"source"`
	Version      string  `json:"version,omitempty"` // id of the current one now; "" = there is none
	Note         string  `json:"note,omitempty"`    // why nothing was done
	Error        string  `json:"error,omitempty"`
	Rows         int64   `json:"rows"` // of the version
	Bytes        int64   `json:"bytes"`
	Files        int     `json:"files"`
	Repeats      int64   `json:"repeats"`       // events that the version leaves out
	Segments     int     `json:"segments"`      // that were new
	ReadBytes    int64   `json:"read_bytes"`    // of the segments and files that were sorted
	WrittenFiles int     `json:"written_files"` // of them
	WrittenBytes int64   `json:"written_bytes"`
	WrittenRows  int64   `json:"written_rows"`
	Seconds      float64 `json:"seconds"`
}

// describe takes over what a version is.
func (r *Report) describe(v *lake.TableVersion) {
	r.Version, r.Rows, r.Bytes, r.Files, r.Repeats = v.ID, v.Rows, v.Bytes, len(v.Files), v.Repeats
}

// String is the report for people, in a line.
func (r Report) String() string {
	switch {
	case r.Error != "":
		return fmt.Sprintf("%s: %s", r.Source, r.Error)
	case r.Note != "":
		return fmt.Sprintf("%s: %s", r.Source, r.Note)
	}
	return fmt.Sprintf("%s: version %s, %d rows in %d files, %.1f MB; %d new segments and what they were merged with, %.1f MB, became %d files, %.1f MB, in %.1f s",
		r.Source, r.Version, r.Rows, r.Files, mb(r.Bytes), r.Segments, mb(r.ReadBytes), r.WrittenFiles, mb(r.WrittenBytes), r.Seconds)
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }
