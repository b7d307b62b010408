package training

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/caudal/caudal/internal/view"
)

// ManifestFile is the name of a set's manifest in its folder. It is written last: a folder without it holds no set.
const ManifestFile = "manifest.json"

// Manifest says what a training set was made of. It has no clock in it: the same inputs give the same manifest and the same files, byte for byte.
type Manifest struct {
	Training   string              `json:"training"`
	ID         string              `json:"id"` // the first digits of the SHA-256 of all that the set is made of: definition, sources, as
	As         As                  `json:"as"`
	Definition string              `json:"definition"` // hash
	Canonical  json.RawMessage     `json:"canonical"`  // what was hashed
	Code       string              `json:"code"`       // version of the program
	Sources    []ManifestSource    `json:"sources"`    // by name
	Columns    []ManifestColumn    `json:"columns"`    // in the order of the files
	Rows       int64               `json:"rows"`
	Untimed    int64               `json:"untimed,omitempty"` // labels without a time, which are no rows
	Files      []ManifestFileEntry `json:"files"`             // in the order of the rows
}

// ManifestSource pins the events of a source.
type ManifestSource struct {
	Source     string `json:"source"`
	Version    string `json:"version"`    // of its table
	Definition string `json:"definition"` // hash of the source whose columns the expressions see
	Erasures   int    `json:"erasures"`   // how many erasures of the topic are honoured: those of number 1 to this
}

// ManifestColumn is a column of the files.
type ManifestColumn struct {
	Name string    `json:"name"`
	Role string    `json:"role"` // time, key, label, feature, or place: where the label's record stands in the log
	Type view.Type `json:"type"`
}

// ManifestFileEntry is a file of a set.
type ManifestFileEntry struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// seal fills in the ID. The code and what was computed are not part of it.
func (m *Manifest) seal() {
	sum := sha256.Sum256(encode(struct {
		Definition string
		As         As
		Sources    []ManifestSource
	}{m.Definition, m.As, m.Sources}))
	m.ID = hex.EncodeToString(sum[:6])
}

// columnsOf lists the columns of a set's files.
func columnsOf(set *view.Training) []ManifestColumn {
	out := []ManifestColumn{{"time", "time", view.Type{Kind: view.Timestamp}}}
	for _, k := range set.Keys {
		out = append(out, ManifestColumn{k.Name, "key", k.Type})
	}
	for _, c := range set.Labels.Columns {
		out = append(out, ManifestColumn{c.Name, "label", c.Type})
	}
	for i := range set.Features {
		out = append(out, ManifestColumn{set.Features[i].Name, "feature", resultType(&set.Features[i].Measure)})
	}
	for _, name := range places() {
		out = append(out, ManifestColumn{name, "place", view.Type{Kind: view.Int64}})
	}
	return out
}

// ReadManifest reads the manifest of the set in a folder. fs.ErrNotExist where there is none.
func ReadManifest(dir string) (Manifest, error) {
	var m Manifest
	path := filepath.Join(dir, ManifestFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("read %s: %w", path, err)
	}
	return m, nil
}

// whole says whether the files of a set are those that its manifest names.
func (m *Manifest) whole(dir string) (bool, error) {
	for _, f := range m.Files {
		got, err := hashFile(dir, f.Name)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil || got != f {
			return false, err
		}
	}
	return true, nil
}

// same says whether two sets are made of the same.
func (m *Manifest) same(o *Manifest) bool {
	return m.Training == o.Training && m.ID == o.ID && m.Code == o.Code && slices.Equal(m.Columns, o.Columns)
}

func hashFile(dir, name string) (ManifestFileEntry, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return ManifestFileEntry{}, err
	}
	defer f.Close() // only read: nothing can be lost
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return ManifestFileEntry{}, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return ManifestFileEntry{Name: name, Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

// encode is JSON as files have it.
func encode(v any) []byte {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(fmt.Sprintf("BUG: encode %T: %v", v, err))
	}
	return append(data, '\n')
}

// Features is how many columns of the set are features.
func (m *Manifest) Features() int {
	n := 0
	for _, c := range m.Columns {
		if c.Role == "feature" {
			n++
		}
	}
	return n
}
