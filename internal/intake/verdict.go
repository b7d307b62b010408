package intake

// Record is one record of a partition's log, as the broker or the lake hands it over. The intake keeps no reference to Key or Value.
type Record struct {
	Partition int
	Offset    int64
	Timestamp int64 // µs UTC, as the log holds it
	Key       []byte
	Value     []byte // nil: a tombstone
}

// Kind is what the intake says of a record.
type Kind uint8

// The kinds. Every record is exactly one of them.
const (
	Event      Kind = iota // typed, and counted
	Duplicate              // typed, with an id that stood at a lower offset within the horizon; its row is kept, flagged
	DeadLetter             // could not be typed; there is no row
)

// Verdict is what the intake says of one record: a function of the log up to it and of the schema, of nothing else.
type Verdict struct {
	Kind      Kind
	Late      bool  // of events and duplicates: the event time stood behind the watermark
	EventTime int64 // µs UTC; 0 for dead letters
	Dead      *Dead // of dead letters only
}

// Reason is the cause of a dead letter: one constant, and so one counter, per cause.
type Reason string

// The reasons.
const (
	Empty               Reason = "empty"                 // no value (a tombstone among them) or only white space
	TooLarge            Reason = "too_large"             // more than MaxRecord bytes
	InvalidUTF8         Reason = "invalid_utf8"          // the bytes are not UTF-8, as JSON must be
	BrokenJSON          Reason = "broken_json"           // not one JSON text
	NotObject           Reason = "not_an_object"         // JSON, but no object
	WrongType           Reason = "wrong_type"            // a value of another JSON type than the field's, or text that does not read as it
	MissingField        Reason = "missing_field"         // absent or null, neither nullable nor with a default; or an element is null that may not be
	OutOfRange          Reason = "out_of_range"          // a number or a time that its column cannot hold exactly, an array of more elements than one may have
	MissingEventTime    Reason = "missing_event_time"    // absent or null
	UnparsableEventTime Reason = "unparsable_event_time" // there, but not as the source's format says
)

// Reasons returns all reasons, for whoever keeps a counter for each.
func Reasons() []Reason {
	return []Reason{Empty, TooLarge, InvalidUTF8, BrokenJSON, NotObject, WrongType, MissingField, OutOfRange, MissingEventTime, UnparsableEventTime}
}

// Dead says why a record is a dead letter.
type Dead struct {
	Reason Reason
	Field  string // of the source; "" where no single field is to blame
	Detail string // for people: what was found and what was wanted, at most a few hundred bytes
}
