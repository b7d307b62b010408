package check

import (
	"path/filepath"
	"regexp"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func composeProject(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../compose/compose.yaml"}, cli.WithProfiles([]string{"*"}), cli.WithInterpolation(true))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeFileIsWhole(t *testing.T) {
	project := composeProject(t)
	pinned := regexp.MustCompile(`:v?\d+\.\d+`)
	for name, s := range project.Services {
		ours := s.Image == "caudal:local"
		if !ours && !pinned.MatchString(s.Image) {
			t.Errorf("%s: image %s is not pinned", name, s.Image)
		}
		if s.Deploy == nil || s.Deploy.Resources.Limits == nil || s.Deploy.Resources.Limits.MemoryBytes == 0 {
			t.Errorf("%s has no limit of memory", name)
		}
		if !ours && s.HealthCheck == nil {
			t.Errorf("%s has no health check", name)
		}
		if ours && (!s.ReadOnly || s.User == "" || s.User[0] == '0' || len(s.CapDrop) == 0) {
			t.Errorf("%s: root, or a root that can be written to", name)
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind {
				if _, err := filepath.EvalSymlinks(v.Source); err != nil {
					t.Errorf("%s mounts what is not there: %v", name, err)
				}
			}
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s listens on %q: everybody's", name, p.HostIP)
			}
		}
	}
	for _, role := range []string{"speed", "archive", "serve", "batch", "prometheus", "grafana", "kafka", "valkey", "s3"} {
		if _, ok := project.Services[role]; !ok {
			t.Errorf("there is no service %s", role)
		}
	}
}
