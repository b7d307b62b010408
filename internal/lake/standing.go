package lake

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// Standing is a file of a chunk that an earlier attempt left, with its records as that attempt judged them.
type Standing struct {
	ChunkFile
	Records []StandingRecord
}

// StandingRecord is what a commit has to know of a record. Times are µs UTC; a dead letter has no event time.
type StandingRecord struct {
	Offset, Timestamp, EventTime int64
	Duplicate, Late              bool
}

// StandingFiles finds the files that attempts to write the chunk which begins at an offset have left, of any date. It lists the topic's
// files, so it is for the rare case that they cannot be made again.
func (l *Lake) StandingFiles(ctx context.Context, t Topic, partition int, first int64) ([]Standing, error) {
	var all []Standing
	for _, dead := range []bool{false, true} {
		keyOf, date := l.SegmentKey, "2000-01-01"
		if dead {
			keyOf = l.DeadKey
		}
		prefix, suffix, _ := strings.Cut(keyOf(t, date, partition, first), date)
		for object, err := range l.store.List(ctx, prefix) {
			if err != nil {
				return nil, fmt.Errorf("find standing files of %s p%d chunk %d: %w", t, partition, first, err)
			}
			date, found := strings.CutSuffix(strings.TrimPrefix(object.Key, prefix), suffix)
			if !found || strings.Contains(date, "/") {
				continue
			}
			s, err := l.standing(ctx, object.Key, dead)
			if err != nil {
				return nil, err
			}
			s.Date = date
			all = append(all, s)
		}
	}
	return all, nil
}

func (l *Lake) standing(ctx context.Context, key string, dead bool) (Standing, error) {
	data, _, err := l.store.Get(ctx, key)
	if err != nil {
		return Standing{}, fmt.Errorf("read standing file: %w", err)
	}
	s := Standing{ChunkFile: ChunkFile{Key: key, Bytes: int64(len(data)), SHA256: Sum(data), Dead: dead}}
	path, err := l.store.Fetch(ctx, key, s.SHA256)
	if err != nil {
		return Standing{}, fmt.Errorf("read standing file: %w", err)
	}
	columns := map[string]func(i int, v parquet.Value){
		ColumnOffset:    func(i int, v parquet.Value) { s.Records[i].Offset = v.Int64() },
		ColumnTimestamp: func(i int, v parquet.Value) { s.Records[i].Timestamp = v.Int64() },
	}
	if !dead {
		columns[ColumnEventTime] = func(i int, v parquet.Value) { s.Records[i].EventTime = v.Int64() }
		columns[ColumnDuplicate] = func(i int, v parquet.Value) { s.Records[i].Duplicate = v.Boolean() }
		columns[ColumnLate] = func(i int, v parquet.Value) { s.Records[i].Late = v.Boolean() }
	}
	err = readColumns(path, func() int { s.Records = append(s.Records, StandingRecord{}); return len(s.Records) - 1 }, columns)
	if err == nil && len(s.Records) == 0 {
		err = fmt.Errorf("read %s: no records", key)
	}
	if err != nil {
		return Standing{}, err
	}
	slices.SortFunc(s.Records, func(a, b StandingRecord) int { return int(a.Offset - b.Offset) })
	s.Rows, s.First, s.Last = int64(len(s.Records)), s.Records[0].Offset, s.Records[len(s.Records)-1].Offset
	return s, nil
}
