package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"

	"github.com/segmentio/kafka-go/compress"
)

// outgoing is one record batch to be produced.
type outgoing struct {
	records   encoder
	count     int
	firstTime int64 // ms
	maxTime   int64

	ctx     context.Context // ends when nobody waits any more
	abandon context.CancelFunc
	waiters int           // guarded by Producer.mu
	done    chan struct{} // closed when err is known
	err     error
}

func newOutgoing(ctx context.Context, ms int64) *outgoing {
	o := &outgoing{firstTime: ms, maxTime: ms, done: make(chan struct{})}
	o.ctx, o.abandon = context.WithCancel(ctx)
	return o
}

func (o *outgoing) size() int { return len(o.records.b) }

// add appends a record.
func (o *outgoing) add(m *Message, ms int64) {
	o.maxTime = max(o.maxTime, ms)
	head := encoder{b: make([]byte, 0, 24)}
	head.int8(0) // attributes
	head.varint(ms - o.firstTime)
	head.varint(int64(o.count))
	n := len(head.b) + varbytesLen(m.Key) + varbytesLen(m.Value) + 1
	e := &o.records
	e.varint(int64(n))
	e.b = append(e.b, head.b...)
	e.varbytes(m.Key)
	e.varbytes(m.Value)
	e.varint(0) // headers
	o.count++
}

func varbytesLen(b []byte) int {
	if b == nil {
		return 1
	}
	var v [binary.MaxVarintLen64]byte
	return binary.PutVarint(v[:], int64(len(b))) + len(b)
}

// pack appends the batch in the layout that batch.go describes, without what seal fills in.
func (o *outgoing) pack(dst []byte, codec compress.Compression) []byte {
	records := o.records.b
	attributes := int16(0)
	if c := codec.Codec(); c != nil {
		var packed bytes.Buffer
		packed.Grow(len(records)/2 + 64)
		w := c.NewWriter(&packed)
		_, err := w.Write(records)
		if w.Close() == nil && err == nil && packed.Len() < len(records) {
			records, attributes = packed.Bytes(), int16(codec)
		}
	}
	e := encoder{b: dst}
	e.int64(0)
	e.int32(int32(batchHeader - batchPrefix + len(records)))
	e.int32(-1)
	e.int8(2)
	e.int32(0) // checksum
	e.int16(attributes)
	e.int32(int32(o.count - 1))
	e.int64(o.firstTime)
	e.int64(o.maxTime)
	e.int64(-1) // producer id, epoch, base sequence
	e.int16(-1)
	e.int32(-1)
	e.int32(int32(o.count))
	e.b = append(e.b, records...)
	return e.b
}

// seal writes the producer's identity and the checksum into a packed batch.
func seal(b []byte, producer int64, epoch int16, sequence int32) {
	binary.BigEndian.PutUint64(b[43:], uint64(producer))
	binary.BigEndian.PutUint16(b[51:], uint16(epoch))
	binary.BigEndian.PutUint32(b[53:], uint32(sequence))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
}
