package serving

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// coding is how a body is compressed.
type coding string

const (
	identity   coding = ""
	gzipCoding coding = "gzip"
	zstdCoding coding = "zstd"
)

// From so many bytes, or rows, compressing an answer is worth the time.
const (
	compressAbove = 8 << 10
	compressRows  = 64
)

// encodingFor is the coding that a client likes best of those that we have.
func encodingFor(r *http.Request) coding {
	best, most := identity, 0.0
	for _, c := range []coding{zstdCoding, gzipCoding} {
		for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
			name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
			if coding(strings.ToLower(strings.TrimSpace(name))) != c {
				continue
			}
			q := 1.0
			if text, ok := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q="); ok {
				var err error
				if q, err = strconv.ParseFloat(text, 64); err != nil {
					q = 0
				}
			}
			if q > most {
				best, most = c, q
			}
		}
	}
	return best
}

// lateWriter sends nothing before the first byte is written, so that a failure until then can still become a problem, and compresses.
type lateWriter struct {
	to     http.ResponseWriter
	coding coding
	began  bool
	packer io.WriteCloser // nil: not compressed, or nothing is written yet
}

func (l *lateWriter) Write(b []byte) (int, error) {
	if !l.began {
		l.began = true
		if err := l.begin(); err != nil {
			return 0, err
		}
	}
	if l.packer != nil {
		return l.packer.Write(b)
	}
	return l.to.Write(b)
}

func (l *lateWriter) begin() (err error) {
	switch l.coding {
	case gzipCoding:
		l.packer, err = gzip.NewWriterLevel(l.to, gzip.BestSpeed)
	case zstdCoding:
		l.packer, err = zstd.NewWriter(l.to, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("compress the answer: %w", err)
	}
	l.to.Header().Set("Content-Encoding", string(l.coding))
	return nil
}

// Close ends the compressed body.
func (l *lateWriter) Close() error {
	if l.packer == nil {
		return nil
	}
	if err := l.packer.Close(); err != nil {
		return fmt.Errorf("compress the answer: %w", err)
	}
	return nil
}

// writeValue answers with a value as JSON.
func (s *Server) writeValue(w http.ResponseWriter, r *http.Request, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		s.writeError(w, r, fmt.Errorf("write the answer: %w", err))
		return
	}
	s.writeText(w, r, append(text, '\n'))
}

// writeText answers with JSON.
func (s *Server) writeText(w http.ResponseWriter, r *http.Request, text []byte) {
	w.Header().Set("Content-Type", mediaJSON)
	w.Header().Add("Vary", "Accept-Encoding")
	out := &lateWriter{to: w}
	if len(text) >= compressAbove {
		out.coding = encodingFor(r)
	}
	if _, err := out.Write(text); err != nil {
		return // who has gone does not read it
	}
	out.Close()
}
