package check

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// imageBuilder is buildah with a store of its own: it builds without a daemon, and mounts what it has built.
type imageBuilder struct {
	t    *testing.T
	dir  string
	root string // of the repository
}

func newImageBuilder(t *testing.T) *imageBuilder {
	t.Helper()
	missing := ""
	if _, err := exec.LookPath("buildah"); err != nil {
		missing = "buildah is not installed: make services installs it"
	} else if os.Geteuid() != 0 {
		missing = "only root can build and mount an image here"
	}
	if missing != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip("SKIP the image is not built: " + missing)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return &imageBuilder{t: t, dir: t.TempDir(), root: root}
}

// run runs a program and returns what it printed, without the end of the line.
func (b *imageBuilder) run(name string, args ...string) string {
	b.t.Helper()
	c := exec.Command(name, args...)
	c.Dir = b.root
	var log strings.Builder
	c.Stderr = &log
	out, err := c.Output()
	if err != nil {
		b.t.Fatalf("%s %s: %v: %s%s", name, strings.Join(args, " "), err, out, log.String())
	}
	return strings.TrimSpace(string(out))
}

func (b *imageBuilder) buildah(args ...string) string {
	b.t.Helper()
	return b.run("buildah", append([]string{"--storage-driver", "vfs", "--root", filepath.Join(b.dir, "root"), "--runroot", filepath.Join(b.dir, "run")}, args...)...)
}

// machine makes the base of the build's stage: as no test can rely on a registry, it is this machine, whose folders are mounted into it. It
// returns the name of the image and the arguments that mount them.
func (b *imageBuilder) machine() (name string, mounts []string) {
	b.t.Helper()
	container := b.buildah("from", "scratch")
	at := b.buildah("mount", container)
	mounted := []string{"/usr:/usr:ro", "/etc/alternatives:/etc/alternatives:ro", "/etc/ssl:/etc/ssl:ro", b.run("go", "env", "GOROOT") + ":/go/root:ro",
		b.run("go", "env", "GOMODCACHE") + ":/go/pkg/mod", b.run("go", "env", "GOCACHE") + ":/go/cache"}
	for _, m := range mounted {
		if err := os.MkdirAll(filepath.Join(at, strings.Split(m, ":")[1]), 0o755); err != nil {
			b.t.Fatal(err)
		}
		mounts = append(mounts, "--volume", m)
	}
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+dir, filepath.Join(at, dir)); err != nil {
			b.t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"passwd": "root:x:0:0::/root:/bin/sh\n", "group": "root:x:0:\n"} {
		if err := os.WriteFile(filepath.Join(at, "etc", name), []byte(text), 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(at, "tmp"), 0o777); err != nil {
		b.t.Fatal(err)
	}
	b.buildah("umount", container)
	settings := []string{"config"}
	for _, e := range []string{"PATH=/go/root/bin:/usr/bin:/bin", "GOPATH=/go", "GOCACHE=/go/cache", "GOTOOLCHAIN=local",
		"GOFLAGS=-buildvcs=false", "GOPROXY=" + b.run("go", "env", "GOPROXY")} { // the history of a worktree is elsewhere
		settings = append(settings, "--env", e)
	}
	b.buildah(append(settings, container)...)
	b.buildah("commit", "--quiet", "--rm", container, "localhost/machine")
	return "localhost/machine", mounts
}

// TestTheImageBuildsAndRunsWithoutRootOnARootThatIsReadOnly builds the Dockerfile, all of it but the base that it names, and has what came out
// lint a project as it is run in production: as its user, in nothing but its own root, which cannot be written to.
func TestTheImageBuildsAndRunsWithoutRootOnARootThatIsReadOnly(t *testing.T) {
	b := newImageBuilder(t)
	base, mounts := b.machine()
	b.buildah(append(append([]string{"build", "--isolation", "chroot", "--network", "host", "--build-arg", "BASE=" + base, "--tag", "localhost/caudal",
		"--file", "infra/image/Dockerfile"}, mounts...), ".")...)

	container := b.buildah("from", "localhost/caudal")
	root := b.buildah("mount", container)
	t.Cleanup(func() { b.buildah("umount", container) })
	var image struct {
		OCIv1 struct {
			Config struct {
				User       string
				Env        []string
				Entrypoint []string
				WorkingDir string
			} `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(b.buildah("inspect", "localhost/caudal")), &image); err != nil {
		t.Fatal(err)
	}
	config := image.OCIv1.Config
	if config.User != "65532:65532" || config.WorkingDir != "/etc/caudal" || len(config.Entrypoint) != 1 {
		t.Fatalf("the image is run so: %+v", config)
	}
	// in a namespace of its own, so that no mount is left
	const inside = `set -eu
mount --bind "$1" "$1"
mount --bind "$2" "$1$4"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mount -o remount,ro,bind "$1"
if touch "$1/written" 2>/dev/null; then echo "the root can be written to"; exit 1; fi
exec env -i $5 KAFKA_BROKERS=kafka:9092 REDIS_ADDRS=valkey:6379 LAKE_URL=s3://lake/shop chroot --userspec="$3" "$1" "$6" lint --project "$4"`
	project := filepath.Join(b.root, "infra", "project")
	out, err := exec.Command("unshare", "--mount", "sh", "-c", inside, "sh", root, project, config.User, config.WorkingDir, strings.Join(config.Env, " "), config.Entrypoint[0]).CombinedOutput()
	if err != nil {
		t.Errorf("the image does not run: %v: %s", err, out)
	}
	if entries, err := filepath.Glob(filepath.Join(root, "usr", "bin", "*")); err != nil || len(entries) != 1 {
		t.Errorf("the image has more programs than its own: %v, %v", entries, err)
	}
}
