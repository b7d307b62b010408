package table

import (
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
	"strings"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

// Journal says what an export wrote, and while it is under way what of it is whole: export.json of its folder.
type Journal struct {
	Source     string   `json:"source"`
	Asked      string   `json:"asked"`      // for which version
	Version    string   `json:"version"`    // id
	Definition string   `json:"definition"` // hash of the source whose columns these are
	Erasures   int      `json:"erasures"`   // how many erasures of the topic there were when it began
	From       string   `json:"from,omitempty"`
	To         string   `json:"to,omitempty"`
	Columns    []string `json:"columns,omitempty"`
	Where      string   `json:"where,omitempty"`
	Format     string   `json:"format"`
	Parts      []Part   `json:"parts"`
	Rows       int64    `json:"rows"`
	Done       bool     `json:"done"`
}

// Part is what an export has of a date.
type Part struct {
	Date   string `json:"date"`           // UTC
	File   string `json:"file,omitempty"` // in the folder; "" where no row was asked for
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"`
}

const journalName = "export.json"

func newJournal(o *ExportOptions, v *Version, erasures int) *Journal {
	j := &Journal{Source: o.Source, Asked: o.Version, Version: v.ID, Definition: v.Definition, Erasures: erasures, Columns: o.Columns, Where: o.Where, Format: o.Format, Parts: []Part{}}
	for at, text := range map[time.Time]*string{o.From: &j.From, o.To: &j.To} {
		if !at.IsZero() {
			*text = at.UTC().Format(time.RFC3339Nano)
		}
	}
	return j
}

// readJournal reads the journal of a folder. Nil: it has none.
func readJournal(dir string) (*Journal, error) {
	data, err := os.ReadFile(filepath.Join(dir, journalName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	j := &Journal{}
	if err := json.Unmarshal(data, j); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(dir, journalName), err)
	}
	return j, nil
}

// continues says why an export that is asked for is not the one that the journal is of.
func (j *Journal) continues(asked *Journal) error {
	switch {
	case j.Source != asked.Source || j.Asked != asked.Asked || j.From != asked.From || j.To != asked.To || !slices.Equal(j.Columns, asked.Columns) ||
		j.Where != asked.Where || j.Format != asked.Format:
		return fmt.Errorf("holds another export: of source %s, version %q, in %s", j.Source, j.Asked, j.Format)
	case j.Erasures != asked.Erasures && !j.Done:
		return errors.New("holds an export that began before records were erased")
	}
	return nil
}

// refName names the reference that keeps the version while an export to dir is under way.
func (j *Journal) refName(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	host, _ := os.Hostname() // without one, folders of two machines share a name, and whoever ends first its reference
	return "export-" + lake.Sum([]byte(host + "\x00" + dir))[:16]
}

// write replaces the journal of a folder.
func (j *Journal) write(dir string) error {
	data, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, journalName)
	if err := os.WriteFile(path+".part", append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

// has says whether what the folder has of a date is whole. What the journal names and the folder has otherwise is forgotten.
func (j *Journal) has(dir, date string) (bool, error) {
	i := slices.IndexFunc(j.Parts, func(p Part) bool { return p.Date == date })
	if i < 0 {
		return false, nil
	}
	if j.Parts[i].File == "" {
		return true, nil
	}
	_, sum, err := hashFile(filepath.Join(dir, j.Parts[i].File))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err == nil && sum == j.Parts[i].SHA256 {
		return true, nil
	}
	j.Rows -= j.Parts[i].Rows
	j.Parts = slices.Delete(j.Parts, i, i+1)
	return false, nil
}

// finish gives a part its name and notes it.
func (j *Journal) finish(dir, date, name, temporary string, rows int64) error {
	part := Part{Date: date, Rows: rows}
	if rows == 0 {
		if err := os.Remove(temporary); err != nil {
			return err
		}
	} else {
		var err error
		if part.Bytes, part.SHA256, err = hashFile(temporary); err != nil {
			return err
		}
		part.File = name
		if err := os.Rename(temporary, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	i, _ := slices.BinarySearchFunc(j.Parts, date, func(p Part, date string) int { return strings.Compare(p.Date, date) })
	j.Parts, j.Rows = slices.Insert(j.Parts, i, part), j.Rows+rows
	return j.write(dir)
}

// hashFile is the size and the SHA-256 (hex) of a file.
func hashFile(path string) (int64, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return n, hex.EncodeToString(h.Sum(nil)), err
}
