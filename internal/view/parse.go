package view

import (
	"cmp"
	"slices"
	"strings"
)

// File is one file of a project.
type File struct {
	Path string // relative to the project, with slashes
	Data []byte
}

// projectFile is where services and sources are defined.
const projectFile = "caudal.yaml"

// IsDefinition says whether the file at path, relative to the project, is one that Parse reads: caudal.yaml, and the .yaml and .yml files of
// views/, training/ and alerts/.
func IsDefinition(path string) bool {
	return path == projectFile || (strings.HasPrefix(path, "views/") || isTraining(path) || isAlert(path)) && (strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml"))
}

func isTraining(path string) bool { return strings.HasPrefix(path, "training/") }
func isAlert(path string) bool    { return strings.HasPrefix(path, "alerts/") }

// linter is one run of Parse.
type linter struct {
	getenv   func(string) (string, bool)
	check    Checker
	problems Problems
	project  *Project
	sources  map[string]*definedSource
	views    map[string]place

	trainings map[string]place
	alerts    map[string]place
}

// definedSource is a source and what is known to be wrong with it.
type definedSource struct {
	source *Source
	broken map[string]bool // fields, lower-case, whose type is not known: expressions over them are not checked
}

// place is where a name was defined.
type place struct {
	file string
	line int
}

// Parse reads the definitions of a project: caudal.yaml and the files of views/, training/ and alerts/; files of other names are left alone. It reports
// every mistake in one go; the project is nil if there is one. getenv looks up environment variables, as os.LookupEnv does.
func Parse(files []File, getenv func(string) (string, bool), check Checker) (*Project, Problems) {
	p := &linter{
		getenv: getenv, check: check, project: &Project{},
		sources: map[string]*definedSource{}, views: map[string]place{}, trainings: map[string]place{}, alerts: map[string]place{},
	}
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	i := slices.IndexFunc(files, func(f File) bool { return f.Path == projectFile })
	if i < 0 {
		p.problems = append(p.problems, Problem{
			File: projectFile, What: "the project has none", Mend: "run `caudal init`, or name the project's folder with --project",
		})
	} else {
		p.services(files[i])
	}
	for _, f := range files {
		if f.Path != projectFile && IsDefinition(f.Path) && !isTraining(f.Path) && !isAlert(f.Path) {
			p.view(f, i >= 0)
		}
	}
	for _, f := range files {
		if isTraining(f.Path) && IsDefinition(f.Path) {
			p.training(f, i >= 0)
		}
		if isAlert(f.Path) && IsDefinition(f.Path) {
			p.alert(f, i >= 0)
		}
	}
	if len(p.problems) > 0 {
		return nil, p.problems.sorted()
	}
	slices.SortFunc(p.project.Sources, func(a, b *Source) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.project.Views, func(a, b *View) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.project.Trainings, func(a, b *Training) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.project.Alerts, func(a, b *Alert) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.project.Emits, func(a, b Emit) int { return cmp.Compare(a.View.Name, b.View.Name) })
	return p.project, nil
}

// read starts on one file; the node is nil where it cannot be read at all.
func (p *linter) read(f File) (*reader, *node) {
	r := &reader{file: f.Path, getenv: p.getenv, problems: &p.problems}
	return r, r.document(f.Data)
}
