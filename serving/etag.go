package serving

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"
)

// tag is the answer's ETag: a hash of the numbers, of what is said of each, and of whether they are partial. It is strong where the bytes are
// a function of the tag: in formats that hold rows only, for rows that batch covers alone. JSON also says how far the log has grown meanwhile, and
// live rows are what they are only for now, so their tags are weak: the same numbers, though perhaps not the same bytes.
func (r *Result) tag(f *format, c coding) string {
	h := xxh3.New()
	put := func(text string) {
		h.Write(binary.AppendUvarint(nil, uint64(len(text))))
		h.WriteString(text)
	}
	p := &r.Provenance
	for _, text := range []string{f.name, r.Meta.View, r.Meta.Definition, r.Meta.From, r.Meta.To, p.Snapshot, p.AsOf, p.Reason, p.ExactUntil, strconv.FormatBool(p.Exact), r.Statistics.Next, strconv.Itoa(r.Statistics.TotalRows)} {
		put(text)
	}
	settled := !p.Partial
	if then := p.Compared; then != nil {
		put(then.Snapshot)
		put(then.Reason)
	}
	for _, c := range r.Meta.Columns {
		put(c.Name)
		put(c.Type)
		put(c.Unit)
		put(c.Description)
	}
	var key []byte
	for i, row := range r.Rows {
		key = key[:0]
		for _, v := range row {
			key = append(v.AppendJSON(key), ',')
		}
		put(string(key))
		origin, err := json.Marshal(p.Rows[i])
		if err != nil {
			panic(fmt.Sprintf("BUG: encode the origin of a row: %v", err))
		}
		put(string(origin))
		settled = settled && p.Rows[i].settled()
	}
	sum := h.Sum128().Bytes()
	tag := `"` + hex.EncodeToString(sum[:])
	if c != identity {
		tag += "-" + string(c)
	}
	tag += `"`
	if settled && f.rowsOnly() {
		return tag
	}
	return "W/" + tag
}

// namesTag says whether one of the tags of If-None-Match names the same answer: by weak comparison, as RFC 9110 has it.
func namesTag(headers []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for part := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == tag {
			return true
		}
	}
	return false
}

// notModified is the answer to a client that has the same answer already.
func notModified() answerKind {
	return answerKind{status: http.StatusNotModified, description: "the caller has this answer already: its ETag stands in If-None-Match"}
}
