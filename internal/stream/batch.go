package stream

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/segmentio/kafka-go/compress"
)

// A record batch of format 2, the only one since Kafka 0.11:
//
//	0 base offset · 8 length of the rest · 12 leader epoch · 16 magic · 17 CRC-32C of the rest · 21 attributes ·
//	23 last offset delta · 27 base timestamp · 35 maximum timestamp · 43 producer id · 51 producer epoch ·
//	53 base sequence · 57 count of records · 61 records, compressed as a whole
const (
	batchHeader  = 61
	batchPrefix  = 12 // base offset and length
	batchMagicAt = 16

	attrCompression   = 7
	attrLogAppendTime = 1 << 3
	attrTransactional = 1 << 4
	attrControl       = 1 << 5
)

// maxInflated bounds what one compressed batch may make us allocate.
const maxInflated = 1 << 30

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is one record batch that is being read.
type batch struct {
	base, last int64 // offsets
	attributes int16
	firstTime  int64 // ms
	maxTime    int64 // ms
	producer   int64
	left       int      // records not read yet
	records    []byte   // what is left of them
	traces     []string // of the records that read has appended
}

// cutBatch splits the first batch off b. ok is false when b holds only a part of it: brokers cut answers anywhere.
func cutBatch(b []byte) (bt batch, rest []byte, ok bool, err error) {
	if len(b) < batchMagicAt+1 {
		return batch{}, b, false, nil
	}
	if magic := b[batchMagicAt]; magic != 2 {
		return batch{}, b, false, fmt.Errorf("%w: record format %d, from before Kafka 0.11", errUnsupported, magic)
	}
	size := int64(int32(binary.BigEndian.Uint32(b[8:]))) + batchPrefix
	if size < batchHeader {
		return batch{}, b, false, fmt.Errorf("%w: a record batch of %d bytes", errMalformed, size)
	}
	if int64(len(b)) < size {
		return batch{}, b, false, nil
	}
	h := b[:size:size]
	if crc32.Checksum(h[21:], castagnoli) != binary.BigEndian.Uint32(h[17:]) {
		return batch{}, b, false, fmt.Errorf("%w: checksum of the record batch at offset %d differs", errMalformed, binary.BigEndian.Uint64(h))
	}
	base := int64(binary.BigEndian.Uint64(h))
	bt = batch{
		base:       base,
		last:       base + int64(int32(binary.BigEndian.Uint32(h[23:]))),
		attributes: int16(binary.BigEndian.Uint16(h[21:])),
		firstTime:  int64(binary.BigEndian.Uint64(h[27:])),
		maxTime:    int64(binary.BigEndian.Uint64(h[35:])),
		producer:   int64(binary.BigEndian.Uint64(h[43:])),
		left:       int(int32(binary.BigEndian.Uint32(h[57:]))),
		records:    h[batchHeader:],
	}
	return bt, b[size:], true, nil
}

// inflate returns the records of a compressed batch, in buf where it is large enough.
func (bt *batch) inflate(buf []byte) ([]byte, error) {
	kind := compress.Compression(bt.attributes & attrCompression)
	codec := kind.Codec()
	if codec == nil {
		return nil, fmt.Errorf("%w: compression %d", errUnsupported, kind)
	}
	if kind == compress.Lz4 {
		content, ok := inflateLZ4(buf[:0], bt.records)
		if ok {
			return content, nil
		}
		buf = content
	}
	if want := 4 * len(bt.records); cap(buf) < want {
		buf = make([]byte, 0, want)
	}
	r := codec.NewReader(bytes.NewReader(bt.records))
	defer r.Close()
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			if len(buf) > maxInflated {
				return nil, fmt.Errorf("%w: a record batch inflates beyond %d bytes", errMalformed, maxInflated)
			}
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: inflate the record batch at offset %d: %w", errMalformed, bt.base, err)
		}
	}
}

// read appends up to n records of offset from or above to dst. Their bytes are those of the batch.
func (bt *batch) read(dst []Record, n int, from int64) ([]Record, error) {
	b := bt.records
	appendTime := bt.attributes&attrLogAppendTime != 0
	for ; n > 0 && bt.left > 0; bt.left-- {
		size, k := varint(b)
		if k <= 0 || size < 0 || size > int64(len(b)-k) {
			return dst, bt.malformed()
		}
		r := b[k : k+int(size)]
		b = b[k+int(size):]
		if len(r) == 0 {
			return dst, bt.malformed()
		}
		r = r[1:] // attributes: none are defined
		time, k := varint(r)
		if k <= 0 {
			return dst, bt.malformed()
		}
		r = r[k:]
		delta, k := varint(r)
		if k <= 0 {
			return dst, bt.malformed()
		}
		key, r, ok := varbytes(r[k:])
		if !ok {
			return dst, bt.malformed()
		}
		value, headers, ok := varbytes(r)
		if !ok {
			return dst, bt.malformed()
		}
		offset := bt.base + delta
		if offset < from {
			continue // brokers answer with whole batches
		}
		time += bt.firstTime
		if appendTime {
			time = bt.maxTime
		}
		if len(headers) > 1 && len(bt.traces) < mostTraces { // an empty list is one byte
			if trace := traceOf(headers); trace != "" {
				bt.traces = append(bt.traces, trace)
			}
		}
		dst = append(dst, Record{Offset: offset, Timestamp: micros(time), Key: key, Value: value})
		n--
	}
	bt.records = b
	return dst, nil
}

// micros converts a timestamp of Kafka; -1 means none.
func micros(ms int64) int64 {
	if ms > math.MaxInt64/1000 || ms < math.MinInt64/1000 {
		return 0
	}
	return ms * 1000
}

func (bt *batch) malformed() error {
	return fmt.Errorf("%w: a record in the batch at offset %d", errMalformed, bt.base)
}

// varint reads a zigzag varint; k is its length, 0 or less when there is none.
func varint(b []byte) (v int64, k int) {
	if len(b) > 0 && b[0] < 0x80 { // most are one byte
		return int64(b[0]>>1) ^ -int64(b[0]&1), 1
	}
	return binary.Varint(b)
}

func varbytes(b []byte) (v, rest []byte, ok bool) {
	n, k := varint(b)
	if k <= 0 || n > int64(len(b)-k) {
		return nil, nil, false
	}
	if b = b[k:]; n < 0 {
		return nil, b, true
	}
	return b[:n:n], b[n:], true
}

// abortedProducer is a transaction that was rolled back: records of the producer from first on do not count, up to its
// abort marker.
type abortedProducer struct{ producer, first int64 }

// rollbacks decides for each batch of one answer, in order, whether its records count. Kafka leaves that to the reader:
// the log keeps what was rolled back.
type rollbacks struct {
	coming []abortedProducer  // ascending by first
	open   map[int64]struct{} // producers whose records do not count at present
}

// skip tells whether nothing of the batch is to be handed out: control markers and rolled back records.
func (rb *rollbacks) skip(bt *batch) bool {
	for len(rb.coming) > 0 && rb.coming[0].first <= bt.last {
		if rb.open == nil {
			rb.open = map[int64]struct{}{}
		}
		rb.open[rb.coming[0].producer] = struct{}{}
		rb.coming = rb.coming[1:]
	}
	if bt.attributes&attrControl != 0 {
		if bt.aborts() {
			delete(rb.open, bt.producer)
		}
		return true
	}
	if bt.attributes&attrTransactional == 0 {
		return false
	}
	_, aborted := rb.open[bt.producer]
	return aborted
}

// aborts tells whether a control batch is an abort marker: its record's key holds a version and a type, 0 for abort.
func (bt *batch) aborts() bool {
	marker := *bt
	rs, err := marker.read(nil, 1, marker.base)
	return err == nil && len(rs) == 1 && len(rs[0].Key) >= 4 && binary.BigEndian.Uint16(rs[0].Key[2:]) == 0
}
