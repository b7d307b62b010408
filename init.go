package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

//go:embed examples/starter/.gitignore examples/starter/alerts examples/starter/README.md examples/starter/caudal.yaml examples/starter/views examples/starter/visits.csv
var starter embed.FS

const (
	starterFolder = "examples/starter"
	starterName   = "starter" // of the project in its files
)

func initCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "init [DIR]",
		Short:   "Make a new project that runs: a source, a view and an alert with tests, events to try it with",
		Example: "  caudal init shop\n  caudal init",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return a.init(dir)
		},
	}
}

// init writes the files of a new project into dir, which has to be empty or not there, and says what to do next.
func (a *app) init(dir string) error {
	if err := checkEmpty(dir); err != nil {
		return err
	}
	whole, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find %s: %w", dir, err)
	}
	name := projectNamed(filepath.Base(whole))
	err = fs.WalkDir(starter, starterFolder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(path, starterFolder)))
		if entry.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := starter.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, []byte(named(string(text), name)), 0o644)
	})
	if err != nil {
		return fmt.Errorf("make the project %s: %w", dir, err)
	}
	if a.output != "table" {
		return a.print(map[string]string{"project": name, "dir": whole}, []string{"project", "dir"}, [][]string{{name, whole}})
	}
	fmt.Fprintf(a.stdout, "%s is a project that runs. Next:\n\n", dir)
	if dir != "." {
		fmt.Fprintf(a.stdout, "  cd %s\n", dir)
	}
	fmt.Fprint(a.stdout, "  caudal test                        # the tests, through both layers\n"+
		"  caudal dev                         # everything embedded; then, in another terminal:\n"+
		"  caudal produce visits visits.csv\n"+
		"  caudal query pages --measures visits,visitors --dimensions page --grain 1h\n")
	return nil
}

// checkEmpty refuses a folder that holds anything: no file of somebody's is overwritten.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look into %s: %w", dir, err)
	case len(entries) == 0:
		return nil
	}
	return fmt.Errorf("%s is not empty (it holds %s): name a folder that is not there yet, e.g. `caudal init %s`",
		dir, entries[0].Name(), filepath.Join(dir, "analytics"))
}

// named is a file of the starter with the project's name in it.
func named(text, name string) string {
	text = strings.Replace(text, "project: "+starterName+"\n", "project: "+name+"\n", 1)
	return strings.Replace(text, "# "+starterName+"\n", "# "+name+"\n", 1)
}

// projectNamed makes a name of a folder's that a project may have.
func projectNamed(folder string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(folder) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9' && b.Len() > 0:
			b.WriteRune(c)
		case b.Len() > 0 && b.Len() < 62:
			b.WriteByte('_')
		}
	}
	name := b.String()
	name = strings.TrimRight(name[:min(len(name), 63)], "_")
	if name == "" {
		return "analytics"
	}
	return name
}
