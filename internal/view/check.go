package view

// Checker binds SQL expressions against one row type. The engine implements it, so that what lint accepts is what both layers run.
type Checker interface {
	// Check returns one result per expression. An expression that is wrong is told in its Checked; the error says that checking
	// itself failed. The checker wraps each expression so that it can be nothing but one scalar expression over cols.
	Check(cols []Column, exprs []string) ([]Checked, error)
	// Condition reads a condition as a query's where has it, over columns of something: a noun names one, "measure", and of the thing, "view sales". It
	// lists the columns that the condition looks at; wrong is nil unless it cannot be read.
	Condition(text, noun, of string, cols []Column) (names []string, wrong *Mistake)
}

// Mistake is what is wrong at a place of a text.
type Mistake struct {
	At         int // byte, from 0
	What, Mend string
}

// Porter is a Checker that knows whether another engine can compute the same: batch.engine.
type Porter interface {
	// Port says what of an expression that Check found to be of type of, cast to type to, Trino would compute otherwise, one line, and what to write
	// instead; "" = nothing.
	Port(cols []Column, expr string, of, to Type) (problem, mend string)
}

// Decoder is a Checker that reads records as the layers do, so that the events of inline tests are checked.
type Decoder interface {
	// Decode returns the event time of a record of s, in µs UTC, or says in one line why it would be a dead letter.
	Decode(s *Source, value []byte) (at int64, problem string)
}

// Column is a named, typed input of an expression.
type Column struct {
	Name string
	Type Type
}

// Checked is what the checker found out about one expression.
type Checked struct {
	Type       Type     // of the result; integers narrower than 64 bits are Int64; Invalid where this version has no such type
	Err        string   // why it does not bind, one line; names stand in double quotes; "" = it binds
	Candidates []string // names that were perhaps meant
	Volatile   bool     // its result is not a function of the row alone
}
