package check

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// caudal builds the command.
func caudal(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "caudal")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, ".") // as the image is built, which compiles nothing anew then
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// TestEveryCommandThatIsCalledExists asks the real command for help with the very arguments that each description calls it with: an unknown
// command or flag is refused before help is given.
func TestEveryCommandThatIsCalledExists(t *testing.T) {
	calls := map[string][]string{}
	for name, s := range composeProject(t).Services {
		if s.Image == "caudal:local" {
			calls["compose "+name] = s.Command
		}
	}
	for owner, pod := range build(t, "../kubernetes/overlays/production").pods {
		calls["kubernetes "+owner] = pod.Containers[0].Args
	}
	for unit, lines := range unitFiles(t) {
		for _, line := range lines {
			if args, ok := strings.CutPrefix(line, "ExecStart=/usr/bin/caudal "); ok {
				calls[unit] = strings.Fields(args)
			}
		}
	}
	calls["cron"] = cronCall(t)
	if len(calls) != 6+5+5+1 {
		t.Errorf("%d calls were found", len(calls))
	}
	binary := caudal(t)
	for where, args := range calls {
		if out, err := exec.Command(binary, append(slices.Clone(args), "--help")...).CombinedOutput(); err != nil {
			t.Errorf("%s calls caudal %s: %v: %s", where, strings.Join(args, " "), err, out)
		}
	}
	if out, err := exec.Command(binary, "run", "speed", "--prot", "1", "--help").CombinedOutput(); err == nil {
		t.Errorf("a flag that is not there is let pass: %s", out)
	}
}

// cronCall is what the crontab's one line runs, less flock.
func cronCall(t *testing.T) []string {
	t.Helper()
	file, err := os.Open("../cron/caudal")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 8 && fields[0] != "#" {
			if fields[5] != "caudal" || fields[6] != "flock" || fields[7] != "-n" {
				t.Errorf("the line is %q: minute, hour, day, month, weekday, user, flock -n LOCK, command", lines.Text())
			}
			return fields[10:]
		}
	}
	t.Fatal("no line runs anything")
	return nil
}

// TestTheProjectIsSound lints the definitions that compose and Kubernetes mount.
func TestTheProjectIsSound(t *testing.T) {
	lint := exec.Command(caudal(t), "lint", "--project", "../project")
	lint.Env = append(os.Environ(), "KAFKA_BROKERS=kafka:9092", "REDIS_ADDRS=valkey:6379", "LAKE_URL=s3://lake/shop")
	if out, err := lint.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
