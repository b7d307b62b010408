package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/bits"

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

// newOutgoing returns an empty batch that puts its records in buf.
func newOutgoing(ctx context.Context, buf []byte, ms int64) *outgoing {
	o := &outgoing{records: encoder{b: buf[:0]}, firstTime: ms, maxTime: ms, done: make(chan struct{})}
	o.ctx, o.abandon = context.WithCancel(ctx)
	return o
}

func (o *outgoing) size() int { return len(o.records.b) }

// add appends a record.
func (o *outgoing) add(m *Message, ms int64) {
	o.maxTime = max(o.maxTime, ms)
	e := &o.records
	e.varint(int64(1 + varintLen(ms-o.firstTime) + varintLen(int64(o.count)) + varbytesLen(m.Key) + varbytesLen(m.Value) + headersLen(m.Trace)))
	e.int8(0) // attributes
	e.varint(ms - o.firstTime)
	e.varint(int64(o.count))
	e.varbytes(m.Key)
	e.varbytes(m.Value)
	e.headers(m.Trace)
	o.count++
}

// varintLen is how many bytes encoder.varint writes.
func varintLen(v int64) int {
	return (bits.Len64(uint64(v<<1)^uint64(v>>63)|1) + 6) / 7
}

func varbytesLen(b []byte) int {
	if b == nil {
		return 1
	}
	return varintLen(int64(len(b))) + len(b)
}

// pack appends the batch in the layout that batch.go describes, without what seal fills in.
func (o *outgoing) pack(dst []byte, codec compress.Compression) []byte {
	e := encoder{b: append(dst, make([]byte, batchHeader)...)}
	attributes := int16(0)
	if e.deflate(o.records.b, codec) && len(e.b)-len(dst)-batchHeader < len(o.records.b) {
		attributes = int16(codec)
	}
	if attributes == 0 { // nothing gained
		e.b = append(e.b[:len(dst)+batchHeader], o.records.b...)
	}
	h := encoder{b: e.b[len(dst):len(dst)]}
	h.int64(0)
	h.int32(int32(len(e.b) - len(dst) - batchPrefix))
	h.int32(-1)
	h.int8(2)
	h.int32(0) // checksum
	h.int16(attributes)
	h.int32(int32(o.count - 1))
	h.int64(o.firstTime)
	h.int64(o.maxTime)
	h.int64(-1) // producer id, epoch, base sequence
	h.int16(-1)
	h.int32(-1)
	h.int32(int32(o.count))
	return e.b
}

// deflate appends content compressed, and says whether that worked.
func (e *encoder) deflate(content []byte, kind compress.Compression) bool {
	codec := kind.Codec()
	switch {
	case codec == nil:
		return false
	case kind == compress.Lz4:
		e.b = deflateLZ4(e.b, content)
		return true
	}
	w := codec.NewWriter(e)
	_, err := w.Write(content)
	return errors.Join(err, w.Close()) == nil
}

// seal writes the producer's identity and the checksum into a packed batch.
func seal(b []byte, producer int64, epoch int16, sequence int32) {
	binary.BigEndian.PutUint64(b[43:], uint64(producer))
	binary.BigEndian.PutUint16(b[51:], uint16(epoch))
	binary.BigEndian.PutUint32(b[53:], uint32(sequence))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
}
