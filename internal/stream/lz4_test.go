package stream

import (
	"bytes"
	"io"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/segmentio/kafka-go/compress"
	"pgregory.net/rapid"
)

// anyContent is bytes that repeat themselves, over several blocks too.
var anyContent = rapid.Custom(func(t *rapid.T) []byte {
	words := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 300), 1, 20).Draw(t, "words")
	var b []byte
	for size := rapid.SampledFrom([]int{0, 1, 100, lz4Block, 5 * lz4Block}).Draw(t, "size"); len(b) < size; {
		b = append(b, words[len(b)%len(words)]...)
	}
	return b
})

func TestWhatIsDeflatedHereKafkasOtherClientsInflate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := anyContent.Draw(t, "content")
		r := compress.Compression(compress.Lz4).Codec().NewReader(bytes.NewReader(deflateLZ4(nil, content)))
		defer r.Close()
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes became %d: %v", len(content), len(got), err)
		}
	})
}

func TestWhatOthersDeflatedIsInflatedInPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		content := anyContent.Draw(t, "content")
		var frame bytes.Buffer
		w := lz4.NewWriter(&frame)
		options := []lz4.Option{
			lz4.BlockSizeOption(rapid.SampledFrom([]lz4.BlockSize{lz4.Block64Kb, lz4.Block256Kb, lz4.Block1Mb, lz4.Block4Mb}).Draw(t, "block")),
			lz4.BlockChecksumOption(rapid.Bool().Draw(t, "block checksums")), lz4.ChecksumOption(rapid.Bool().Draw(t, "checksum")),
		}
		if rapid.Bool().Draw(t, "with its size") {
			options = append(options, lz4.SizeOption(uint64(len(content))))
		}
		if err := w.Apply(options...); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, ok := inflateLZ4(make([]byte, 0, rapid.IntRange(0, 1000).Draw(t, "room")), frame.Bytes())
		if !ok || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes became %d, as a whole: %v", len(content), len(got), ok)
		}
	})
}

// A frame of blocks that refer to those before them, which librdkafka and Kafka's Java client do not write, but others do.
func TestABlockMayReferToThoseBeforeIt(t *testing.T) {
	frame := []byte(lz4Magic + "\x40\x40\xc0")
	frame = append(frame, 9, 0, 0, 0, 0x80, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h') // eight letters
	frame = append(frame, 9, 0, 0, 0, 0x04, 8, 0, 0x50, '1', '2', '3', '4', '5')    // the same again, and five digits
	frame = append(frame, 0, 0, 0, 0)
	got, ok := inflateLZ4([]byte("what stands before is none of the frame's|"), frame)
	if want := "what stands before is none of the frame's|abcdefghabcdefgh12345"; !ok || string(got) != want {
		t.Fatalf("%q, as a whole: %v", got, ok)
	}
}

func TestFramesOfNonsenseAreRefusedWithoutPanic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := deflateLZ4(nil, anyContent.Draw(t, "content"))
		b = b[:rapid.IntRange(0, len(b)-1).Draw(t, "length")]
		if _, ok := inflateLZ4(nil, b); ok {
			t.Fatal("a frame that was cut is taken for whole")
		}
		for range rapid.IntRange(0, 5).Draw(t, "flips") {
			if len(b) > len(lz4Magic) {
				b[rapid.IntRange(len(lz4Magic), len(b)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
			}
		}
		inflateLZ4(nil, b)
	})
}

// A batch from a producer with blocks of 4 MiB takes what it holds, and not what it might hold.
func TestInflatingTakesAsMuchAsThereIs(t *testing.T) {
	var frame bytes.Buffer
	w := lz4.NewWriter(&frame) // of blocks of 4 MiB
	content := bytes.Repeat([]byte(`{"user":"u-1","country":"DE"}`), 10_000)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, ok := inflateLZ4(nil, frame.Bytes())
	if !ok || !bytes.Equal(got, content) || cap(got) > 3*len(content) {
		t.Fatalf("%d bytes of %d in room for %d, as a whole: %v", len(got), len(content), cap(got), ok)
	}
}
