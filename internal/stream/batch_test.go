package stream

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/segmentio/kafka-go/compress"
	"pgregory.net/rapid"
)

var anyMessage = rapid.Custom(func(t *rapid.T) Message {
	bytesOrNil := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 300))
	return Message{Key: bytesOrNil.Draw(t, "key"), Value: bytesOrNil.Draw(t, "value"), Timestamp: rapid.Int64Range(0, 1<<43).Draw(t, "ms")}
})

var anyCodec = rapid.SampledFrom([]compress.Compression{compress.None, compress.Gzip, compress.Snappy, compress.Lz4, compress.Zstd})

func packed(t *rapid.T) ([]Message, []byte) {
	msgs := rapid.SliceOfN(anyMessage, 1, 50).Draw(t, "messages")
	o := newOutgoing(context.Background(), nil, msgs[0].Timestamp)
	defer o.abandon()
	for i := range msgs {
		o.add(&msgs[i], msgs[i].Timestamp)
	}
	b := o.pack(nil, anyCodec.Draw(t, "codec"))
	seal(b, 7, 1, 0)
	return msgs, b
}

func unpack(b []byte, from int64, step int) ([]Record, error) {
	bt, rest, ok, err := cutBatch(b)
	if err != nil || !ok {
		return nil, errors.Join(err, errMalformed)
	}
	if len(rest) != 0 {
		return nil, errMalformed
	}
	if bt.attributes&attrCompression != 0 {
		if bt.records, err = bt.inflate(nil); err != nil {
			return nil, err
		}
	}
	var recs []Record
	for bt.left > 0 {
		if recs, err = bt.read(recs, step, from); err != nil {
			return nil, err
		}
	}
	return recs, nil
}

func TestBatchesReadBackWhatWasPacked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		msgs, b := packed(t)
		from := rapid.Int64Range(0, int64(len(msgs)-1)).Draw(t, "from")
		recs, err := unpack(b, from, rapid.IntRange(1, 60).Draw(t, "step"))
		if err != nil || len(recs) != len(msgs)-int(from) {
			t.Fatalf("%d of %d records from %d: %v", len(recs), len(msgs), from, err)
		}
		for i, r := range recs {
			m := msgs[int(from)+i]
			if r.Offset != from+int64(i) || r.Timestamp != m.Timestamp*1000 ||
				!bytes.Equal(r.Key, m.Key) || (r.Key == nil) != (m.Key == nil) ||
				!bytes.Equal(r.Value, m.Value) || (r.Value == nil) != (m.Value == nil) {
				t.Fatalf("record %d is %+v, was %+v", i, r, m)
			}
		}
	})
}

func TestADamagedBatchIsAnErrorAndNeverOtherRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, b := packed(t)
		at := rapid.IntRange(batchMagicAt, len(b)-1).Draw(t, "at") // offset, length and epoch are not under the checksum
		b[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		if _, err := unpack(b, 0, 10); err == nil {
			t.Fatalf("byte %d was changed, and nobody noticed", at)
		}
	})
}

func TestACutBatchIsNotComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, b := packed(t)
		n := rapid.IntRange(0, len(b)-1).Draw(t, "length")
		if _, rest, ok, err := cutBatch(b[:n]); ok || err != nil || len(rest) != n {
			t.Fatalf("%d of %d bytes: complete %v, %v", n, len(b), ok, err)
		}
	})
}

func TestRecordsWithALyingChecksumDoNotPanic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bt := batch{left: rapid.IntRange(0, 1000).Draw(t, "count"), records: rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")}
		for bt.left > 0 {
			if _, err := bt.read(nil, 10, 0); err != nil {
				return
			}
		}
	})
}

func TestAnswersOfNonsenseDoNotPanic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := decoder{b: rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")}
		for range 20 {
			switch rapid.IntRange(0, 6).Draw(t, "what") {
			case 0:
				d.tags()
			case 1:
				d.string()
			case 2:
				d.compactString()
			case 3:
				d.count()
			case 4:
				d.varint()
			case 5:
				d.uuid()
			case 6:
				d.take(4 * d.length())
			}
		}
	})
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}
