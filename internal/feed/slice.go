package feed

import "io"

// Slice yields the messages [from, to) of next, counted from 0; to 0 is the end.
func Slice(next func() (Message, error), from, to int64) func() (Message, error) {
	at := int64(0)
	return func() (Message, error) {
		for ; at < from; at++ {
			if _, err := next(); err != nil {
				return Message{}, err
			}
		}
		if to > 0 && at >= to {
			return Message{}, io.EOF
		}
		at++
		return next()
	}
}
