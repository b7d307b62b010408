package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/view"
)

// The results of a check.
const (
	isOK   = "ok"
	isWarn = "warn" // it works, and will not for ever, or not as it should
	isFail = "fail"
)

// finding is what one check of the set-up found.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"` // ok, warn or fail
	Found  string `json:"found"`
	Mend   string `json:"mend,omitempty"` // "": there is nothing to mend
}

// doctor looks at a project's set-up, each thing by itself, so that what is wrong with one does not hide what is wrong with another.
type doctor struct {
	app      *app
	dir      string
	project  *view.Project
	now      func() time.Time
	patience time.Duration // of one part; 0: checkTime
	findings []finding
}

func (d *doctor) ok(check, found string, args ...any) {
	d.findings = append(d.findings, finding{check, isOK, fmt.Sprintf(found, args...), ""})
}

func (d *doctor) warn(check, mend, found string, args ...any) {
	d.findings = append(d.findings, finding{check, isWarn, fmt.Sprintf(found, args...), mend})
}

func (d *doctor) fail(check, mend, found string, args ...any) {
	d.findings = append(d.findings, finding{check, isFail, fmt.Sprintf(found, args...), mend})
}

// failed says whether a check has failed so far.
func (d *doctor) failed() bool {
	for _, f := range d.findings {
		if f.Result == isFail {
			return true
		}
	}
	return false
}

// checkTime bounds one part of the examination: a service that is away is found out, not waited for.
const checkTime = 10 * time.Second

func doctorCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "What is wrong with the set-up, and its mend: definitions, Kafka, Redis, the lake, DuckDB, the roles, disk space",
		Long: "Looks at everything that a project runs on and changes nothing, but for an object of its own in the lake that it deletes again.\n" +
			"The exit status is 1 where a check failed; a warning alone leaves it 0.",
		Example: "  caudal doctor\n  caudal doctor -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := findProject(a.projectDir)
			if err != nil {
				return err
			}
			d := &doctor{app: a, dir: dir, now: time.Now}
			d.examine(c.Context())
			if err := a.printFindings(d.findings); err != nil {
				return err
			}
			if d.failed() {
				return errReported
			}
			return nil
		},
	}
}

func (a *app) printFindings(findings []finding) error {
	rows := make([][]string, len(findings))
	for i, f := range findings {
		rows[i] = []string{f.Result, f.Check, f.Found}
		if a.output == "csv" {
			rows[i] = append(rows[i], f.Mend)
		} else if f.Mend != "" {
			rows[i][2] += ": " + f.Mend
		}
	}
	header := []string{"result", "check", "found"}
	if a.output == "csv" {
		header = append(header, "mend")
	}
	return a.print(findings, header, rows)
}

// examine makes all checks. Those that need what is missing are left out: what is missing is a finding already.
func (d *doctor) examine(ctx context.Context) {
	project, err := loadProject(ctx, d.dir)
	var problems view.Problems
	switch {
	case errors.As(err, &problems):
		d.fail("definitions", "caudal lint shows each with its place", "%d mistakes, the first: %v", len(problems), problems[0])
		return
	case err != nil:
		d.fail("definitions", "see the message", "%v", err)
		return
	}
	d.project = project
	d.ok("definitions", "%d sources, %d views, no mistakes", len(project.Sources), len(project.Views))
	d.part(ctx, d.checkDuckDB)
	d.part(ctx, d.checkLake)
	d.checkDisk()
	s, err := connect(ctx, project, d.dir, d.app.logger(slog.LevelError+1))
	if err != nil {
		mend := "see the message"
		if errors.Is(err, errNotRunning) {
			mend = "run `caudal dev`, or name kafka.brokers and redis.addrs in caudal.yaml"
		}
		d.fail("services", mend, "%v", strings.TrimSuffix(err.Error(), "\n"))
		return
	}
	defer func() {
		if err := s.close(); err != nil {
			d.warn("services", "see the message", "the connections did not close: %v", err)
		}
	}()
	kafka := d.part(ctx, func(ctx context.Context) bool { return d.checkKafka(ctx, s) })
	redis := d.part(ctx, func(ctx context.Context) bool { return d.checkRedis(ctx, s) })
	if kafka && redis {
		d.part(ctx, d.checkLayers)
	}
}

// part makes some checks within their time, and says whether those that rest on them can be made.
func (d *doctor) part(ctx context.Context, check func(context.Context) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(d.patience, checkTime))
	defer cancel()
	return check(ctx)
}

// checkDuckDB opens a database and computes with it.
func (d *doctor) checkDuckDB(ctx context.Context) bool {
	version, err := duckDBVersion(ctx)
	if err != nil {
		d.fail("duckdb", "use the binary that was built for this machine, and see that the temporary folder "+os.TempDir()+" can be written to", "DuckDB does not run: %v", err)
		return false
	}
	d.ok("duckdb", "DuckDB %s computes", version)
	return true
}

func duckDBVersion(ctx context.Context) (version string, err error) {
	db, err := engine.Open(engine.Options{MemoryLimit: "64MB", Threads: 1})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := db.Connect()
	if err != nil {
		return "", err
	}
	defer c.Close()
	err = c.Query(ctx, "SELECT version()", func(chunk *engine.Chunk) error {
		version = string(chunk.Row(0).Bytes(0))
		return nil
	})
	return version, err
}
