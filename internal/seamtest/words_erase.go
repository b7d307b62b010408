package seamtest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caudal/caudal/batch"
	"github.com/caudal/caudal/internal/engine"
	"github.com/caudal/caudal/internal/lake"
	"github.com/caudal/caudal/internal/view"
	"github.com/caudal/caudal/serving"
)

// erase is "erase CUSTOMER [crash=STEP]": all events of a customer, and the dead letters that contain the name.
func (p *Player) erase(c call) (string, error) {
	if at := c.settings["crash"]; at != "" {
		p.batches.crash(at)
	}
	name := c.name(0, "")
	report, err := p.eraseCustomer(name)
	switch {
	case errors.Is(err, errCrash):
		return "crashed at " + c.settings["crash"], nil
	case err != nil:
		return "refused: " + p.named(brief(err)), nil
	}
	done := "done"
	if report.Resumed {
		done = "finished"
	}
	lines := []string{fmt.Sprintf("erasure %d below %s %s: %d events and %d dead letters of %d files, %d left", report.Erasure, offsetsText(report.Below), done,
		report.Events, report.DeadLetters, report.Files, report.Left)}
	for _, v := range report.Views {
		lines = append(lines, fmt.Sprintf("%s: snapshot %s, expired %v", v.View, v.Snapshot, v.Expired))
	}
	return strings.Join(lines, "\n"), nil
}

// eraseCustomer runs an erasure. A crash leaves its lock; it is freed as time would.
func (w *World) eraseCustomer(name string) (batch.EraseReport, error) {
	column := "user"
	if w.project().Sources[0].Field(column) < 0 {
		column = "customer"
	}
	report, err := w.runner.Erase(w.ctx, batch.EraseOptions{Source: "orders", Where: `"` + column + `" = '` + name + `'`, Contains: name})
	for len(w.erasures) < report.Erasure {
		w.erasures = append(w.erasures, name)
	}
	if errors.Is(err, errCrash) || errors.Is(err, lake.ErrLocked) {
		err = errors.Join(err, w.unlock())
	}
	return report, err
}

// find is "find TEXT": in how many objects of the lake it stands, Parquet decoded.
func (p *Player) find(c call) (string, error) {
	db, err := engine.Open(engine.Options{Threads: 1, MemoryLimit: "128MB"})
	if err != nil {
		return "", err
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	text, n := c.name(0, ""), 0
	for object, err := range p.base.List(p.ctx, "") {
		if err != nil {
			return "", err
		}
		body, _, err := p.base.Get(p.ctx, object.Key)
		if err != nil {
			return "", err
		}
		if strings.HasSuffix(object.Key, ".parquet") {
			path, err := p.base.Fetch(p.ctx, object.Key, lake.Sum(body))
			if err != nil {
				return "", err
			}
			body = nil
			err = conn.Query(p.ctx, "SELECT CAST(q AS VARCHAR) FROM (SELECT * FROM read_parquet("+lake.PathList([]string{path})+", hive_partitioning = false)) AS q", func(rows *engine.Chunk) error {
				for i := range rows.Len() {
					body = append(append(body, rows.Row(i).Bytes(0)...), '\n')
				}
				return nil
			})
			if err != nil {
				return "", err
			}
		}
		if strings.Contains(string(body), text) {
			n++
		}
	}
	if n == 0 {
		return "nowhere", nil
	}
	return fmt.Sprintf("in %d objects", n), nil
}

// answered are the folds as an answer should have them: without what the erasures took out that its snapshot, or its scan, applied. What lies at or
// above the snapshot's boundary the speed layer counts until a snapshot covers it.
func (w *World) answered(v *view.View, r *serving.Result, logs map[logOf]*naive) (map[logOf]*naive, error) {
	if len(w.erasures) == 0 {
		return logs, nil
	}
	m := &lake.Manifest{Erasures: len(w.erasures)}
	if r.Provenance.Scan == nil {
		var err error
		if m, err = w.lake.Snapshot(w.ctx, v.Name, v.Hash, r.Provenance.Snapshot); err != nil {
			return nil, err
		}
	}
	return w.erased(logs, func(e *lake.Erasure, k logOf) int64 {
		bound := e.Bound(lake.Topic{Name: topic, Incarnation: k.life}, k.partition)
		cuts, _ := m.CutsOf(k.life)
		switch {
		case e.Number > m.Erasures:
			return 0
		case r.Provenance.Scan != nil:
			return bound
		}
		return min(bound, cuts[k.partition].Offset)
	})
}

// withoutErased are the folds as the lake should hold them: without the records of erasures that are done.
func (w *World) withoutErased(below map[int]int64) (map[int]*naive, error) {
	return inOneLife(w.inLife(), below, func(below map[logOf]int64) (map[logOf]*naive, error) {
		logs, err := w.folds(below)
		if err != nil {
			return nil, err
		}
		return w.erased(logs, func(e *lake.Erasure, k logOf) int64 {
			if e.Open() {
				return 0
			}
			return e.Bound(lake.Topic{Name: topic, Incarnation: k.life}, k.partition)
		})
	})
}

// erased marks the records of each erasure below the offset that is given for it, in copies of the folds.
func (w *World) erased(logs map[logOf]*naive, below func(e *lake.Erasure, of logOf) int64) (map[logOf]*naive, error) {
	all, err := w.lake.Erasures(w.ctx, topic)
	if err != nil {
		return nil, err
	}
	copies := map[logOf]*naive{}
	for p, log := range logs {
		c := &naive{verdicts: append([]verdict{}, log.verdicts...)}
		for i := range all {
			to := min(below(&all[i], p), int64(len(c.verdicts)))
			for off := range max(to, 0) {
				d := &c.verdicts[off]
				d.erased = d.erased || d.user == w.erasures[i] && !d.dead || d.dead && strings.Contains(d.text, w.erasures[i])
			}
		}
		copies[p] = c
	}
	return copies, nil
}
