package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/caudal/caudal/internal/lake"
)

// parallelPuts is how many files of a chunk or of a view are put into the lake at once: a put to S3 is mostly waiting.
const parallelPuts = 8

// putFiles writes a segment for each event date and the dead letters by the date of their records, and notes them in the chunk. A file
// that stands already was written by somebody who did the same work.
func (p *partition) putFiles(ctx context.Context, open *lake.Chunk, c *chunk) error {
	f, err := p.feedOf(ctx, open.Definition)
	if err != nil {
		return err
	}
	schema := lake.SegmentSchema{Fields: f.source.Fields, Definition: open.Definition}
	put := newFilePuts(ctx, p, c)
	for _, date := range byDate(c.rows.EventTime) {
		if c.standsOn(date.name, false) {
			continue
		}
		var buf bytes.Buffer
		p.archive.encoders <- struct{}{}
		err := lake.WriteSegment(&buf, c.rows, date.rows, schema, open.IngestedAt)
		<-p.archive.encoders
		if err != nil {
			return errors.Join(err, put.wait())
		}
		put.file(lake.ChunkFile{
			Key: p.archive.cfg.Lake.SegmentKey(p.topic, date.name, p.id, open.First), Date: date.name, Rows: int64(len(date.rows)),
			First: c.rows.Offset[date.rows[0]], Last: c.rows.Offset[date.rows[len(date.rows)-1]],
		}, buf.Bytes())
	}
	stamps := make([]int64, len(c.dead))
	for i := range c.dead {
		c.dead[i].IngestedAt = open.IngestedAt
		stamps[i] = c.dead[i].Timestamp
	}
	for _, date := range byDate(stamps) {
		if c.standsOn(date.name, true) {
			continue
		}
		letters := make([]lake.DeadLetter, len(date.rows))
		for i, row := range date.rows {
			letters[i] = c.dead[row]
		}
		var buf bytes.Buffer
		if err := lake.WriteDeadLetters(&buf, letters); err != nil {
			return errors.Join(err, put.wait())
		}
		put.file(lake.ChunkFile{
			Key: p.archive.cfg.Lake.DeadKey(p.topic, date.name, p.id, open.First), Date: date.name, Rows: int64(len(letters)), Dead: true,
			First: letters[0].Offset, Last: letters[len(letters)-1].Offset,
		}, buf.Bytes())
	}
	if err := put.wait(); err != nil {
		return err
	}
	open.Files = open.Files[:0]
	for _, file := range put.files {
		open.Files = append(open.Files, *file)
	}
	for i := range c.stands {
		open.Files = append(open.Files, c.stands[i].ChunkFile)
	}
	return nil
}

// filePuts puts the files of one chunk into the lake, some at a time. After the first failure no more are begun.
type filePuts struct {
	ctx       context.Context
	cancel    context.CancelFunc
	partition *partition
	lossy     bool // the log has lost records of the chunk's range
	files     []*lake.ChunkFile
	slots     chan struct{}
	wg        sync.WaitGroup

	mu   sync.Mutex
	done int
	err  error
}

func newFilePuts(ctx context.Context, p *partition, c *chunk) *filePuts {
	ctx, cancel := context.WithCancel(ctx)
	return &filePuts{ctx: ctx, cancel: cancel, partition: p, lossy: len(c.missing) > 0, slots: make(chan struct{}, parallelPuts)}
}

func (f *filePuts) wait() error {
	f.wg.Wait()
	if f.err == nil {
		f.err = f.ctx.Err() // puts that were not begun because the caller's context ended
	}
	f.cancel()
	return f.err
}

func (f *filePuts) file(file lake.ChunkFile, data []byte) {
	f.files = append(f.files, &file)
	f.slots <- struct{}{}
	f.wg.Go(func() {
		defer func() { <-f.slots }()
		if f.ctx.Err() != nil {
			return
		}
		if err := f.put(&file, data); err != nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.err == nil {
				f.err = err
			}
			f.cancel()
		}
	})
}

// errStanding: an earlier attempt wrote other records, of a log that has lost some of the range since, or had lost more of it then, so that
// the file is not what this attempt would commit. The next attempt reads the range again, finds the loss, and takes what stands (mend).
var errStanding = errors.New("a file of an earlier attempt stands with other records, as the log has lost some of its range")

func (f *filePuts) put(file *lake.ChunkFile, data []byte) error {
	stands, err := f.partition.archive.cfg.Lake.PutFile(f.ctx, file.Key, data)
	if err != nil {
		return err
	}
	if stands.SHA256 != lake.Sum(data) {
		if err := f.sameRecords(file); err != nil {
			return fmt.Errorf("%s: %w", file.Key, err)
		}
	}
	file.Bytes, file.SHA256 = stands.Bytes, stands.SHA256
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done++
	return f.partition.step(fmt.Sprintf("after-file-%d", f.done))
}

// sameRecords checks that a file that stands with other bytes than ours, as another version of the encoder makes them, holds as many
// records. Where the log has lost some of the chunk's range, other bytes are other records.
func (f *filePuts) sameRecords(file *lake.ChunkFile) error {
	if f.lossy {
		return errStanding
	}
	data, _, err := f.partition.archive.cfg.Lake.Store().Get(f.ctx, file.Key)
	if err != nil {
		return err
	}
	rows, err := lake.SegmentRows(data)
	if err != nil {
		return err
	}
	if rows != file.Rows {
		return fmt.Errorf("%w: %d of them, not %d", errStanding, rows, file.Rows)
	}
	return nil
}
