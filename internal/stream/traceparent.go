package stream

// traceHeader is the W3C's, which carries the trace that a record is part of.
const traceHeader = "traceparent"

// mostTraces bounds how many traces of one Fetch are kept.
const mostTraces = 8

// longestTrace bounds what is kept of one: the W3C's version 0 has 55 bytes.
const longestTrace = 64

// traceOf finds the trace in the headers of a record, as they stand in a batch; "" where there is none. Headers are nobody else's business here, so
// what is wrong with them is no error.
func traceOf(headers []byte) string {
	n, k := varint(headers)
	if k <= 0 {
		return ""
	}
	headers = headers[k:]
	for ; n > 0; n-- {
		name, rest, ok := varbytes(headers)
		if !ok {
			return ""
		}
		value, rest, ok := varbytes(rest)
		if !ok {
			return ""
		}
		if string(name) == traceHeader && len(value) <= longestTrace {
			return string(value)
		}
		headers = rest
	}
	return ""
}

// Traces returns the traces that records of the last Fetch are part of, in the order of the records, a bounded number. It is valid until the next Fetch.
func (r *Reader) Traces() []string { return r.traces }

// headersLen is how many bytes the headers of a message take.
func headersLen(trace string) int {
	if trace == "" {
		return 1
	}
	return 1 + varintLen(int64(len(traceHeader))) + len(traceHeader) + varintLen(int64(len(trace))) + len(trace)
}

// headers appends the headers of a message.
func (e *encoder) headers(trace string) {
	if trace == "" {
		e.varint(0)
		return
	}
	e.varint(1)
	e.varbytes([]byte(traceHeader))
	e.varbytes([]byte(trace))
}
