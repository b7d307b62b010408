// Package models keeps trained models in the lake: immutable versions with their metrics and what they were trained on, and which of them is
// in use.
//
// A version is a folder models/<name>/<version>/: CLAIM takes its number, then come the files, and model.json last: a version without it was
// never published. models/<name>/CURRENT names the one in use and is the only object that is swung.
package models

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caudal/caudal/batch/training"
	"github.com/caudal/caudal/internal/lake"
)

// Model is a published version of a model.
type Model struct {
	Name     string             `json:"name"`
	Version  string             `json:"version"` // six digits, from 000001
	Created  time.Time          `json:"created"`
	Files    []File             `json:"files"`
	Metrics  map[string]float64 `json:"metrics"`          // of metrics.json, on the rows that it was tested on
	InUse    *Rival             `json:"in_use,omitempty"` // the version that was in use when it was trained, on the same rows
	Training training.Manifest  `json:"training"`         // of the set that it was trained on
}

// Rival is how another version does on the rows that a version was tested on.
type Rival struct {
	Version string             `json:"version"`
	Metrics map[string]float64 `json:"metrics"`
}

// File is a file of a version.
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// metricsFile is what a folder that is published must hold: {"metrics": {name: number}, "in_use": {"version": …, "metrics": {…}}}, in_use
// where a version was in use.
const metricsFile = "metrics.json"

type measured struct {
	Metrics map[string]float64 `json:"metrics"`
	InUse   *Rival             `json:"in_use"`
}

// Models are those of a lake.
type Models struct {
	Lake  *lake.Lake
	Clock func() time.Time // dates versions; it may be wrong
}

func folder(name string) string { return "models/" + name + "/" }

func currentKey(name string) string { return folder(name) + "CURRENT" }

func fileKey(name, version, file string) string { return folder(name) + version + "/" + file }

const (
	claimFile = "CLAIM"
	modelFile = "model.json"
)

func checkName(name string) error {
	ok := name != "" && len(name) <= 63
	for _, c := range name {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-')
	}
	if !ok {
		return fmt.Errorf("model %q is no name: lower-case letters, digits, _ and -, at most 63", name)
	}
	return nil
}

// Publish makes the files of a folder the next version of a model, trained on the training set in another folder. It refers to the versions
// of the tables that the set was made of, so that they stay as long as the model may have to be explained.
func (m *Models) Publish(ctx context.Context, name, dir, set string) (Model, error) {
	model := Model{Name: name, Created: m.Clock().UTC()}
	fail := func(err error) (Model, error) {
		return model, fmt.Errorf("publish model %s: %w", name, err)
	}
	if err := checkName(name); err != nil {
		return fail(err)
	}
	var err error
	if model.Training, err = training.ReadManifest(set); err != nil {
		return fail(fmt.Errorf("what it was trained on: %w", err))
	}
	bodies, err := readFolder(dir)
	if err != nil {
		return fail(err)
	}
	var results measured
	if err := decode(bodies[metricsFile], &results); err != nil || len(results.Metrics) == 0 {
		return fail(errors.Join(fmt.Errorf(`%s has to hold {"metrics": {"name": number}}`, filepath.Join(dir, metricsFile)), err))
	}
	model.Metrics, model.InUse = results.Metrics, results.InUse
	if model.Version, err = m.claim(ctx, name); err != nil {
		return fail(err)
	}
	for _, s := range model.Training.Sources {
		ref := lake.TableRef{Name: fmt.Sprintf("model-%s-%s", name, model.Version), Kind: "model", Made: model.Created}
		if err := m.Lake.PutTableRef(ctx, s.Source, s.Version, ref); err != nil {
			return fail(err)
		}
	}
	for _, file := range sortedNames(bodies) {
		put, err := m.Lake.PutFile(ctx, fileKey(name, model.Version, file), bodies[file])
		if err != nil {
			return fail(err)
		}
		model.Files = append(model.Files, File{file, put.Bytes, put.SHA256})
	}
	if _, err := m.Lake.Store().Create(ctx, fileKey(name, model.Version, modelFile), encode(model)); err != nil {
		return fail(err)
	}
	return model, nil
}

// readFolder reads the files of a folder, which has no folders in it.
func readFolder(dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	bodies := map[string][]byte{}
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == claimFile || e.Name() == modelFile {
			return nil, fmt.Errorf("%s: a model's folder holds plain files only, none of them named %s or %s", filepath.Join(dir, e.Name()), claimFile, modelFile)
		}
		if bodies[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	return bodies, nil
}

// claim takes the next number.
func (m *Models) claim(ctx context.Context, name string) (string, error) {
	numbers, err := m.numbers(ctx, name)
	if err != nil {
		return "", err
	}
	for next := len(numbers) + 1; ; next++ {
		version := fmt.Sprintf("%06d", next)
		_, err := m.Lake.Store().Create(ctx, fileKey(name, version, claimFile), nil)
		if !errors.Is(err, lake.ErrExists) {
			return version, err
		}
	}
}

// numbers are the versions that were claimed, oldest first.
func (m *Models) numbers(ctx context.Context, name string) ([]string, error) {
	var out []string
	for object, err := range m.Lake.Store().List(ctx, folder(name)) {
		if err != nil {
			return nil, err
		}
		if version, file, _ := strings.Cut(strings.TrimPrefix(object.Key, folder(name)), "/"); file == claimFile {
			out = append(out, version)
		}
	}
	return out, nil
}

// Get returns a published version. lake.ErrNotFound if there is none.
func (m *Models) Get(ctx context.Context, name, version string) (Model, error) {
	var model Model
	err := checkName(name)
	if err == nil {
		var data []byte
		if data, _, err = m.Lake.Store().Get(ctx, fileKey(name, version, modelFile)); err == nil {
			err = decode(data, &model)
		}
	}
	if err != nil {
		return model, fmt.Errorf("version %q of model %s: %w", version, name, err)
	}
	return model, nil
}

// List returns the published versions of a model, oldest first, and what is in use of it.
func (m *Models) List(ctx context.Context, name string) ([]Model, Current, error) {
	current, _, err := m.current(ctx, name)
	if err != nil {
		return nil, current, err
	}
	numbers, err := m.numbers(ctx, name)
	if err != nil {
		return nil, current, fmt.Errorf("list the versions of model %s: %w", name, err)
	}
	models := []Model{}
	for _, version := range numbers {
		model, err := m.Get(ctx, name, version)
		if errors.Is(err, lake.ErrNotFound) {
			continue // claimed, and then not published
		}
		if err != nil {
			return nil, current, err
		}
		models = append(models, model)
	}
	return models, current, nil
}

// Fetch writes the files of a version into a folder, each checked against its SHA-256.
func (m *Models) Fetch(ctx context.Context, name, version, dir string) (Model, error) {
	model, err := m.Get(ctx, name, version)
	if err != nil {
		return model, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return model, fmt.Errorf("fetch model %s: %w", name, err)
	}
	for _, f := range model.Files {
		key := fileKey(name, version, f.Name)
		data, _, err := m.Lake.Store().Get(ctx, key)
		if err == nil && lake.Sum(data) != f.SHA256 {
			err = fmt.Errorf("%s: %w", key, lake.ErrChecksum)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, f.Name), data, 0o644)
		}
		if err != nil {
			return model, fmt.Errorf("fetch version %s of model %s: %w", version, name, err)
		}
	}
	return model, nil
}

func sortedNames(bodies map[string][]byte) []string {
	names := make([]string, 0, len(bodies))
	for name := range bodies {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// encode is JSON as the lake has it.
func encode(v any) []byte {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		panic(fmt.Sprintf("BUG: encode %T: %v", v, err))
	}
	return append(data, '\n')
}

// decode reads what encode wrote, with no key that is not known.
func decode(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
