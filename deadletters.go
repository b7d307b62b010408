package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/caudal/caudal/internal/lake"
)

func deadLettersCommand(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:     "dead-letters",
		Short:   "Records that could not be read, with the reason",
		Example: "  caudal dead-letters list\n  caudal dead-letters show orders 2/1042",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return usageError{errors.New("say list or show")} },
	}
	var limit int
	list := &cobra.Command{
		Use: "list [SOURCE]", Short: "Newest first, of one source or all", Args: cobra.MaximumNArgs(1),
		Example: "  caudal dead-letters list orders --limit 20 -o json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withServices(c.Context(), func(s *services) error { return a.listDeadLetters(c.Context(), s, args, limit) })
		},
	}
	list.Flags().IntVar(&limit, "limit", 100, "at most so many; 0: all")
	show := &cobra.Command{
		Use: "show SOURCE PARTITION/OFFSET", Short: "One of them, with its raw bytes", Args: cobra.ExactArgs(2),
		Example: "  caudal dead-letters show orders 2/1042",
		RunE: func(c *cobra.Command, args []string) error {
			return a.withServices(c.Context(), func(s *services) error { return a.showDeadLetter(c.Context(), s, args[0], args[1]) })
		},
	}
	c.AddCommand(list, show)
	return c
}

// withServices runs do over the connections of the project.
func (a *app) withServices(ctx context.Context, do func(*services) error) (err error) {
	dir, project, err := a.openProject(ctx)
	if err != nil {
		return err
	}
	s, err := connect(ctx, project, dir, a.logger(slog.LevelWarn))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.adjust = a.adjust
	return do(s)
}

// letter is a dead letter as people and scripts read it.
type letter struct {
	Source    string    `json:"source"`
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	Timestamp time.Time `json:"timestamp"`
	Reason    string    `json:"reason"`
	Field     string    `json:"field,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	Bytes     int       `json:"bytes"`
	Raw       string    `json:"raw,omitempty"`    // where the bytes are UTF-8
	Base64    string    `json:"base64,omitempty"` // where they are not
}

func (a *app) listDeadLetters(ctx context.Context, s *services, args []string, limit int) error {
	letters := []letter{}
	found := false
	for _, src := range s.project.Sources {
		if len(args) == 1 && src.Name != args[0] {
			continue
		}
		found = true
		err := s.eachDeadFile(ctx, src.Topic, func(_ int, f lake.ChunkFile) (bool, error) {
			read, err := s.readDeadLetters(ctx, f)
			if err != nil {
				return false, err
			}
			for i := len(read) - 1; i >= 0 && (limit == 0 || len(letters) < limit); i-- {
				letters = append(letters, newLetter(src.Name, read[i], false))
			}
			return limit == 0 || len(letters) < limit, nil
		})
		if err != nil {
			return err
		}
	}
	if !found {
		return usageError{fmt.Errorf("no source %q: there are %s", args[0], sourceNames(s.project))}
	}
	rows := make([][]string, len(letters))
	for i, l := range letters {
		rows[i] = []string{l.Source, fmt.Sprintf("%d/%d", l.Partition, l.Offset), l.Timestamp.Format(time.RFC3339), l.Reason, l.Field, l.Detail, strconv.Itoa(l.Bytes)}
	}
	return a.print(letters, []string{"source", "record", "timestamp", "reason", "field", "detail", "bytes"}, rows)
}

func (a *app) showDeadLetter(ctx context.Context, s *services, source, record string) error {
	src := findSource(s.project, source)
	if src == nil {
		return usageError{fmt.Errorf("no source %q: there are %s", source, sourceNames(s.project))}
	}
	p, o, _ := strings.Cut(record, "/")
	partition, err1 := strconv.Atoi(p)
	offset, err2 := strconv.ParseInt(o, 10, 64)
	if err1 != nil || err2 != nil {
		return usageError{fmt.Errorf("record %q is not PARTITION/OFFSET, such as 2/1042", record)}
	}
	var hit *letter
	err := s.eachDeadFile(ctx, src.Topic, func(at int, f lake.ChunkFile) (bool, error) {
		if at != partition || offset < f.First || offset > f.Last {
			return true, nil
		}
		read, err := s.readDeadLetters(ctx, f)
		if err != nil {
			return false, err
		}
		for _, d := range read {
			if d.Offset == offset {
				l := newLetter(src.Name, d, true)
				hit = &l
			}
		}
		return hit == nil, nil
	})
	if err != nil {
		return err
	}
	if hit == nil {
		return fmt.Errorf("record %s of %s is no dead letter that the archive has written", record, source)
	}
	if a.output == "json" {
		return a.printJSON(hit)
	}
	text := hit.Raw
	if text == "" {
		text = hit.Base64
	}
	return a.print(hit, []string{"what", "value"}, [][]string{
		{"record", fmt.Sprintf("%d/%d", hit.Partition, hit.Offset)}, {"timestamp", hit.Timestamp.Format(time.RFC3339Nano)},
		{"reason", hit.Reason}, {"field", hit.Field}, {"detail", hit.Detail}, {"bytes", strconv.Itoa(hit.Bytes)}, {"raw", text},
	})
}

func newLetter(source string, d lake.DeadLetter, raw bool) letter {
	l := letter{
		Source: source, Partition: d.Partition, Offset: d.Offset, Timestamp: time.UnixMicro(d.Timestamp).UTC(),
		Reason: d.Reason, Field: d.Field, Detail: d.Detail, Bytes: len(d.Raw),
	}
	switch {
	case !raw:
	case utf8.Valid(d.Raw):
		l.Raw = string(d.Raw)
	default:
		l.Base64 = base64.StdEncoding.EncodeToString(d.Raw)
	}
	return l
}

// eachDeadFile visits the files of dead letters of a topic, the newest chunk of each partition first, until visit returns false.
func (s *services) eachDeadFile(ctx context.Context, topic string, visit func(partition int, f lake.ChunkFile) (more bool, err error)) error {
	lives, err := s.lake.Lives(ctx, topic)
	if err != nil {
		return fmt.Errorf("list the dead letters of %s: %w", topic, err)
	}
	for _, life := range slices.Backward(lives) { // a topic that was created again begins with its newest life
		for p := range life.Partitions {
			chunks, err := s.lake.Chunks(ctx, life.Topic, p, 0)
			if err != nil {
				return fmt.Errorf("list the dead letters of %s partition %d: %w", life.Topic, p, err)
			}
			for i := len(chunks) - 1; i >= 0; i-- {
				for _, f := range chunks[i].Files {
					if !f.Dead {
						continue
					}
					more, err := visit(p, f)
					if err != nil || !more {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (s *services) readDeadLetters(ctx context.Context, f lake.ChunkFile) ([]lake.DeadLetter, error) {
	path, err := s.lake.Fetch(ctx, f.Key, f.SHA256)
	if err != nil {
		return nil, fmt.Errorf("fetch dead letters: %w", err)
	}
	return lake.ReadDeadLetters(path)
}
