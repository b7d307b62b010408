package stream

import (
	"encoding/binary"
	"slices"

	"github.com/pierrec/lz4/v4"
)

// What an LZ4 frame consists of: magic number · flags · size of the largest block · checksum of the two · blocks, each after its length · a length of 0.
const (
	lz4Magic      = "\x04\x22\x4d\x18"
	lz4Version    = 1 << 6
	lz4VersionOf  = 3 << 6
	lz4Separate   = 1 << 5 // a block does not refer to those before it
	lz4BlockSums  = 1 << 4
	lz4HasSize    = 1 << 3
	lz4ContentSum = 1 << 2
	lz4HasDict    = 1
	lz4Plain      = 1 << 31 // in a block's length: it is not compressed
	lz4Window     = 64 << 10

	// usualRatio is how much larger the content of a frame is than the frame, for most: more room is made where it is not enough.
	usualRatio = 4

	// lz4Block is how much of a batch goes into one block, as with Kafka's own producers: whoever reads it needs no more room.
	lz4Block = 64 << 10
	// lz4Header begins the frames that are written here: blocks of lz4Block that are separate.
	lz4Header = lz4Magic + "\x60\x40\x82"
)

// deflateLZ4 appends content as a frame to dst. The plain twin, kafka-go's codec, takes 16 MiB for blocks of 4 MiB.
func deflateLZ4(dst, content []byte) []byte {
	dst = append(dst, lz4Header...)
	for len(content) > 0 {
		block := content[:min(lz4Block, len(content))]
		content = content[len(block):]
		at := len(dst)
		dst = slices.Grow(dst, 4+lz4.CompressBlockBound(len(block)))
		room := dst[at+4 : at+4+lz4.CompressBlockBound(len(block))]
		n, err := lz4.CompressBlock(block, room, nil)
		length := uint32(n)
		if err != nil || n == 0 || n >= len(block) {
			n = copy(room, block)
			length = uint32(n) | lz4Plain
		}
		dst = binary.LittleEndian.AppendUint32(dst, length)[:at+4+n]
	}
	return binary.LittleEndian.AppendUint32(dst, 0)
}

// inflateLZ4 appends the content of the frame b to dst, without a buffer in between. Not ok: it is damaged, or none of the frames that Kafka's
// producers write, and kafka-go's codec has the last word. Checksums within are not looked at: the record batch's covers all of it.
func inflateLZ4(dst, b []byte) (content []byte, ok bool) {
	if len(b) < len(lz4Header) || string(b[:len(lz4Magic)]) != lz4Magic {
		return dst, false
	}
	flags, largest := b[4], 1<<(8+2*(b[5]>>4&7))
	if flags&lz4VersionOf != lz4Version || flags&lz4HasDict != 0 || largest < lz4Block {
		return dst, false
	}
	head := len(lz4Header)
	if flags&lz4HasSize != 0 {
		head += 8
	}
	dst = slices.Grow(dst, min(usualRatio*len(b), maxInflated))
	begin := len(dst)
	for b = b[min(head, len(b)):]; len(b) >= 4; {
		length := binary.LittleEndian.Uint32(b)
		b = b[4:]
		if length == 0 {
			if flags&lz4ContentSum != 0 {
				b = b[min(4, len(b)):]
			}
			return dst, len(b) == 0
		}
		n := int(length &^ lz4Plain)
		if n > largest || n > len(b) || len(dst) > maxInflated {
			return dst, false
		}
		var before []byte
		if flags&lz4Separate == 0 {
			before = dst[max(begin, len(dst)-lz4Window):]
		}
		if length&lz4Plain != 0 {
			dst = append(dst, b[:n]...)
		} else if dst, ok = inflateBlock(dst, b[:n], before, largest); !ok {
			return dst, false
		}
		b = b[n:]
		if flags&lz4BlockSums != 0 {
			b = b[min(4, len(b)):]
		}
	}
	return dst, false
}

// inflateBlock appends the content of a block, at most largest bytes, which may refer to what stands before it. How much it is shows by trying.
func inflateBlock(dst, block, before []byte, largest int) (content []byte, ok bool) {
	for room := min(max(usualRatio*len(block), cap(dst)-len(dst)), largest); ; room = min(2*room, largest) {
		dst = slices.Grow(dst, room)
		n, err := lz4.UncompressBlockWithDict(block, dst[len(dst):len(dst)+room], before)
		if err == nil {
			return dst[:len(dst)+n], true
		}
		if room == largest {
			return dst, false
		}
	}
}
