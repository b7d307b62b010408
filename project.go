package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
)

// findProject returns the folder that holds caudal.yaml: dir, or the nearest of the current folder and its parents.
func findProject(dir string) (string, error) {
	if dir != "" {
		if _, err := os.Stat(filepath.Join(dir, "caudal.yaml")); err != nil {
			return "", fmt.Errorf("no project at %s: %w", dir, err)
		}
		return dir, nil
	}
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the current folder: %w", err)
	}
	for at := here; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "caudal.yaml")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no caudal.yaml in %s or above: name the project with --project", here)
		}
	}
}

// openProject finds and loads the project that a command is about, and says in which folder it is.
func (a *app) openProject(ctx context.Context) (dir string, p *view.Project, err error) {
	if dir, err = findProject(a.projectDir); err != nil {
		return "", nil, err
	}
	p, err = loadProject(ctx, dir)
	return dir, p, err
}

// readProject reads the definition files of the project at dir.
func readProject(dir string) ([]view.File, error) {
	var paths []string
	for _, folder := range []string{"alerts", "training", "views"} {
		some, err := filepath.Glob(filepath.Join(dir, folder, "*.yaml"))
		if err != nil {
			return nil, fmt.Errorf("list the definitions in %s of %s: %w", folder, dir, err)
		}
		paths = append(paths, some...)
	}
	sort.Strings(paths)
	var files []view.File
	for _, path := range append([]string{filepath.Join(dir, "caudal.yaml")}, paths...) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the definitions: %w", err)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return nil, fmt.Errorf("name %s: %w", path, err)
		}
		files = append(files, view.File{Path: filepath.ToSlash(name), Data: data})
	}
	return files, nil
}

// loadProject reads and checks the definitions at dir; its error is view.Problems where they are wrong.
func loadProject(ctx context.Context, dir string) (*view.Project, error) {
	files, err := readProject(dir)
	if err != nil {
		return nil, err
	}
	var env environment
	p, err := engine.Parse(ctx, files, env.lookUp)
	if env.failed != nil {
		return nil, env.failed
	}
	if err != nil {
		return nil, env.hide(err)
	}
	if err := checkGrants(p); err != nil {
		return nil, env.hide(err)
	}
	return p, nil
}
