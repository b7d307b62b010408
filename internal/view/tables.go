package view

import "time"

// DefaultFileBytes is how large the files of a source's table are to become where the project does not say.
const DefaultFileBytes = 256 << 20

func versionsKeys() []string { return []string{"keep", "age"} }

// tables reads what lake says of the tables of sources, with every default; n may be nil.
func (l *Lake) tables(r *reader, n *node) {
	l.FileBytes, l.Versions = DefaultFileBytes, Versions{Keep: 10}
	if n == nil {
		return
	}
	if v := n.get("file_size"); v != nil {
		if text := r.filled(v, "lake.file_size"); text != "" {
			bytes, err := ParseBytes(text)
			switch {
			case err != nil:
				r.add(v, quote("lake.file_size", text)+" is no size", `write e.g. "256MB"`)
			case bytes < 1<<20 || bytes > 4<<30:
				r.add(v, quote("lake.file_size", text)+" is out of range", "it is between 2MB and 4GB; 128MB to 512MB suit most readers")
			default:
				l.FileBytes = bytes
			}
		}
	}
	l.CompactEvery = r.duration(n.get("compact_every"), "lake.compact_every", 0, time.Minute)
	if v := n.get("versions"); v != nil && r.mapping(v, "lake.versions", versionsKeys()) {
		l.Versions.Keep = int(r.integer(v.get("keep"), "lake.versions.keep", int64(l.Versions.Keep), 1, 100_000))
		l.Versions.Age = r.duration(v.get("age"), "lake.versions.age", 0, time.Minute)
	}
}
