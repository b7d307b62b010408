package lake

import (
	"fmt"
	"strings"
)

// Topic is one life of a topic: a topic that is deleted and made again begins a new incarnation, whose offsets mean other records.
type Topic struct {
	Name        string `json:"name"`
	Incarnation int    `json:"incarnation"` // from 1
}

// String is the topic as logs and errors name it.
func (t Topic) String() string { return fmt.Sprintf("%s/%d", t.Name, t.Incarnation) }

func (t Topic) folder() string { return fmt.Sprintf("%s/inc=%d", t.Name, t.Incarnation) }

// SegmentKey is the key of the raw segment that holds the rows of one event date (UTC, 2006-01-02) of the chunk that begins at offset first.
func (l *Lake) SegmentKey(t Topic, date string, partition int, first int64) string {
	return fmt.Sprintf("lake/%s/dt=%s/p=%03d/%018d.parquet", t.folder(), date, partition, first)
}

// DeadKey is the key of the dead letters of one date (UTC, of the record timestamp) of the chunk that begins at offset first.
func (l *Lake) DeadKey(t Topic, date string, partition int, first int64) string {
	return fmt.Sprintf("dead/%s/dt=%s/p=%03d/%018d.parquet", t.folder(), date, partition, first)
}

// ViewKey is the key of a view's result of one period, computed by a run; unit "day" and period "2011-03-04", "month" and "2011-03", ...
func (l *Lake) ViewKey(view, definition, run, unit, period string) string {
	return fmt.Sprintf("%s/%s/%s=%s.parquet", viewFolder(view, definition), run, unit, period)
}

// RunKey is the key of a file that a run writes beside its results, such as its ledger.
func (l *Lake) RunKey(view, definition, run, name string) string {
	return fmt.Sprintf("%s/%s/%s", viewFolder(view, definition), run, name)
}

func chunkFolder(t Topic, partition int) string {
	return fmt.Sprintf("lake/%s/_chunks/p=%03d/", t.folder(), partition)
}

func chunkKey(t Topic, partition int, first int64) string {
	return fmt.Sprintf("%s%018d.json", chunkFolder(t, partition), first)
}

func incarnationFolder(topic string) string { return "lake/" + topic + "/_inc/" }

func incarnationKey(t Topic) string {
	return fmt.Sprintf("%s%d.json", incarnationFolder(t.Name), t.Incarnation)
}

func partitionsFolder(topic string) string { return "lake/" + topic + "/_partitions/" }

func beginKey(t Topic) string { return "lake/" + t.folder() + "/_begin.json" }

func closeKey(t Topic) string { return "lake/" + t.folder() + "/_close.json" }

func definitionKey(hash string) string { return "definitions/" + hash + ".json" }

// viewFolder holds all of a view under one definition: batch and speed merge only for the same hash, so each hash has its own CURRENT.
func viewFolder(view, definition string) string {
	return "views/" + view + "/" + shortHash(definition)
}

func currentKey(view, definition string) string { return viewFolder(view, definition) + "/CURRENT" }

func snapshotKey(view, definition, id string) string {
	return viewFolder(view, definition) + "/snapshots/" + id + ".json"
}

func lockKey(name string) string { return "locks/" + name + ".json" }

// shortHash is enough of a definition's hash for a path; the manifest carries the whole.
func shortHash(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	return hash
}

// checkName refuses what would not be one part of a key.
func checkName(what, name string) error {
	if strings.Contains(name, "/") {
		return fmt.Errorf("%s %q: must not contain a slash", what, name)
	}
	if err := checkKey(name); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
