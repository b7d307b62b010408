package trinosql

// Micros is the microseconds since the epoch of a TIMESTAMP(6). Trino's own functions answer milliseconds, or doubles.
func Micros(at string) string {
	return "(date_diff('second', TIMESTAMP '1970-01-01 00:00:00', date_trunc('second', " + at + ")) * 1000000 + CAST(substr(CAST(" + at + " AS VARCHAR), -6) AS BIGINT))"
}
