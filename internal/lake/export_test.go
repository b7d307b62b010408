package lake

// IndexEvery makes an index object of every n commits, so that a test need not make thousands.
func (l *Lake) IndexEvery(n int) *Lake {
	l.chunksPerIndex = n
	return l
}
