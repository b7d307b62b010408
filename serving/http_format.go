package serving

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/caudal/caudal/internal/tabular"
)

// format is a way to write an answer.
type format struct {
	name   string // its suffix without the point
	media  string // what it is served as
	packed bool   // compressed by itself
	write  func(*Result, io.Writer) error
}

// rowsOnly says that the format holds rows and nothing of where they come from, which headers then say.
func (f *format) rowsOnly() bool { return f.media != mediaJSON }

// formats are all of them, the one of who does not care first.
func formats() []format {
	table := func(write func(*tabular.Table, io.Writer) error) func(*Result, io.Writer) error {
		return func(r *Result, w io.Writer) error { return write(r.table(), w) }
	}
	return []format{
		{"json", mediaJSON, false, (*Result).WriteJSON},
		{"csv", "text/csv; charset=utf-8", false, table((*tabular.Table).CSV)},
		{"ndjson", "application/x-ndjson", false, table((*tabular.Table).NDJSON)},
		{"parquet", "application/vnd.apache.parquet", true, table((*tabular.Table).Parquet)},
		{"arrow", "application/vnd.apache.arrow.stream", false, table((*tabular.Table).Arrow)},
	}
}

func suffixes() []string {
	var list []string
	for _, f := range formats() {
		list = append(list, "."+f.name)
	}
	return list
}

func mediaTypes() []string {
	var list []string
	for _, f := range formats() {
		list = append(list, f.media)
	}
	return list
}

// formatOf is the format of a suffix with its point.
func formatOf(suffix string) *format {
	for _, f := range formats() {
		if "."+f.name == suffix {
			return &f
		}
	}
	return nil
}

// negotiate picks the format of an answer: by the suffix of the path, else the one that Accept likes best, JSON among equals.
func negotiate(r *http.Request) (*format, error) {
	if f := formatOf(path.Ext(r.URL.Path)); f != nil {
		return f, nil
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return &formats()[0], nil
	}
	var best *format
	most := 0.0
	for _, f := range formats() {
		if q := quality(accept, f.media); q > most {
			best, most = &f, q
		}
	}
	if best == nil {
		p := newProblem(http.StatusNotAcceptable, "not-acceptable", "No format of the answer is accepted", "", fmt.Sprintf("none of the formats is %q", accept), "accept one of "+strings.Join(mediaTypes(), ", ")+", or leave Accept out")
		p.Nearest = mediaTypes()
		return nil, p
	}
	return best, nil
}

// quality is how much an Accept header likes a media type, 0 to 1: what its most specific range says.
func quality(accept, media string) float64 {
	media, _, _ = strings.Cut(media, ";")
	family, _, _ := strings.Cut(media, "/")
	best, specific := 0.0, -1
	for part := range strings.SplitSeq(accept, ",") {
		name, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q, err := strconv.ParseFloat(parameters["q"], 64)
		if err != nil {
			q = 1
		}
		level := -1
		switch name {
		case media:
			level = 2
		case family + "/*":
			level = 1
		case "*/*":
			level = 0
		}
		if level > specific {
			best, specific = q, level
		}
	}
	return best
}

// table is the answer's rows for the formats that hold rows only.
func (r *Result) table() *tabular.Table {
	t := &tabular.Table{Rows: r.Rows, Location: r.location, Meta: map[string]string{
		"caudal.view": r.Meta.View, "caudal.definition": r.Meta.Definition, "caudal.snapshot": r.Provenance.Snapshot, "caudal.exact": strconv.FormatBool(r.Provenance.Exact),
	}}
	for _, c := range r.Meta.Columns {
		t.Columns = append(t.Columns, tabular.Column{Name: c.Name, Type: c.Kind, Time: c.Role == "time" || c.Role == "end"})
	}
	return t
}

// writeResult answers with a result: 304 where the caller has it already.
func (s *Server) writeResult(w http.ResponseWriter, r *http.Request, f *format, result *Result) {
	coding := identity
	if !f.packed && len(result.Rows) >= compressRows {
		coding = encodingFor(r)
	}
	h := w.Header()
	h.Add("Vary", "Accept, Accept-Encoding")
	h.Set("Content-Type", f.media)
	result.describe(h, r)
	if r.Method != http.MethodPost {
		h.Set("Cache-Control", "private, no-cache") // may be kept, and is asked for again each time
		tag := result.tag(f, coding)
		h.Set("ETag", tag)
		if namesTag(r.Header.Values("If-None-Match"), tag) {
			h.Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if r.Method == http.MethodHead {
		return
	}
	out := &lateWriter{to: w, coding: coding}
	if err := errors.Join(f.write(result, out), out.Close()); err != nil {
		switch {
		case out.began:
			panic(http.ErrAbortHandler) // the client sees that the answer is cut off
		case errors.Is(err, tabular.ErrTooWide):
			err = tooLarge(err.Error(), "ask for .json or .csv")
		default:
			err = fmt.Errorf("write the answer: %w", err)
		}
		for _, name := range []string{"ETag", "Content-Encoding", "Link"} {
			h.Del(name)
		}
		s.writeError(w, r, err)
	}
}

// describe says in headers what formats that hold rows only leave out.
func (r *Result) describe(h http.Header, request *http.Request) {
	p := &r.Provenance
	h.Set("Caudal-Snapshot", p.Snapshot)
	h.Set("Caudal-Exact", strconv.FormatBool(p.Exact))
	h.Set("Caudal-Partial", strconv.FormatBool(p.Partial))
	if p.ExactUntil != "" {
		h.Set("Caudal-Exact-Until", p.ExactUntil)
	}
	if next := r.Statistics.Next; next != "" {
		h.Set("Caudal-Next", next)
		if request.Method != http.MethodPost {
			u := *request.URL
			q := u.Query()
			q.Set("cursor", next)
			u.RawQuery = q.Encode()
			h.Set("Link", "<"+u.RequestURI()+`>; rel="next"`)
		}
	}
}
