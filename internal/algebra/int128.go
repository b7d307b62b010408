package algebra

// Int128 is a signed 128-bit integer in two's complement, laid out as DuckDB's hugeint: what sums of integers and of unscaled decimals
// are kept in, so that they cannot wrap.
type Int128 struct {
	Lo uint64
	Hi int64
}
