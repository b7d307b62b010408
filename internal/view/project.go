// Package view holds the definitions of a project: its services, sources and views, as caudal.yaml and views/*.yaml say them.
//
// It does no I/O: files come in as bytes, environment variables through a function, SQL is checked through the Checker.
package view

import "time"

// Project is one folder of definitions, checked and with every default filled in.
type Project struct {
	Name    string
	Kafka   Kafka
	Redis   Redis
	Lake    Lake
	Batch   Batch
	Speed   Speed
	Serving Serving
	Sources []*Source // by name
	Views   []*View   // by name

	Trainings []*Training // by name
	Alerts    []*Alert    // by name
	Emits     []Emit      // by view
	Sinks     []Sink      // the log first
}

// Kafka says where the log is. No brokers: `caudal dev` and `caudal demo` embed one.
type Kafka struct {
	Brokers        []string
	TLS            TLS
	SASL           SASL
	SessionTimeout time.Duration // after which a process of a role that is silent loses its partitions to the others; 1 s at least
	Cluster        string        // id that the brokers must have, and that may follow on another in the lake; "": that of the lake's records
}

// Redis says where speed state is kept. More than one address: a cluster.
type Redis struct {
	Addrs              []string
	Cluster            bool // a cluster of which one address is known
	Username, Password string
	TLS                TLS
}

// Lake says where the lake is: "s3://bucket/prefix" or a folder. Endpoint, Region and PathStyle are for S3 servers that are not AWS.
type Lake struct {
	URL       string
	Endpoint  string
	Region    string
	AccessKey string
	SecretKey string
	PathStyle bool
	Cache     string // folder of files that were read from S3; "": .caudal/cache of the project

	FileBytes    int64         // how large the files of a source's table are to become
	CompactEvery time.Duration // how often a process with the role batch brings the tables up to date; 0: only who is called from outside does
	Versions     Versions
}

// Versions says which versions of a source's table are kept: a version goes when it is neither among the newest nor young, and nobody refers
// to it.
type Versions struct {
	Keep int           // how many of the newest
	Age  time.Duration // how long every version; 0: no longer than that
}

// Batch bounds the batch layer.
type Batch struct {
	MemoryLimit      string        // DuckDB's memory_limit, e.g. "2GB"
	Threads          int           // 0: all cores
	ArchiveWait      time.Duration // how long a run waits for the archive to reach V
	Snapshots        int           // how many are kept
	InstantRollbacks int           // for how many of them speed epochs are kept, as long as Redis has room
	Every            time.Duration // how often a process with the role batch runs one; 0: only who is called from outside does
	Engine           string        // who computes: DuckDB or Trino
	Trino            Trino         // where Trino is
}

// The engines that batch may compute with.
const (
	EngineDuckDB = "duckdb"
	EngineTrino  = "trino"
)

// Trino says where a Trino cluster is, and how it reads the lake.
type Trino struct {
	URL                string
	User, Password     string
	TLS                TLS
	Catalog, Schema    string // of the Hive connector; the tables over the lake's segments are made there
	Location           string // how Trino names the root of the lake
	VerifyBySizeAndRow bool   // believe segments by their size and number of rows; else caudal reads each and compares its SHA-256
}

// Speed bounds the speed layer.
type Speed struct {
	// LiveCells is how many cells a group (a partition seen by a view) may have in the newest epoch. Events whose cells would be more are
	// left to the next batch, and counted.
	LiveCells int
	// CoarseFlush is how often cells of the grains but the finest are written to Redis, where their states are sketches or lists; 0: with every
	// flush. Answers from these grains are so much behind at most.
	CoarseFlush time.Duration
}

// Source is a topic with its format, schema, event-time field, dedup key and lateness.
type Source struct {
	Name         string
	Topic        string
	Partitions   int
	Format       string // "json"
	Key          string // field that producers key by; "" = none
	EventTime    EventTime
	EventID      string // field holding the dedup key; "" = no dedup
	DedupHorizon time.Duration
	DedupRecords int64
	FullDedup    bool // batch_dedup: full: batch removes repeats beyond the horizon, and across partitions, too
	Lateness     time.Duration
	MaxAhead     time.Duration
	Idle         time.Duration // a partition that is so far behind the others, and has nothing more, holds the watermark back no longer; 0: it does
	Fields       []Field       // in the order of the file
}

// Field returns the position of the named field, or -1.
func (s *Source) Field(name string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return i
		}
	}
	return -1
}

// EventTime names the field of the event's time and how its JSON value is written.
type EventTime struct {
	Field    string
	Format   string // a Go layout, or rfc3339, unix_s, unix_ms, unix_us
	Timezone string // IANA zone of a layout without an offset; "UTC" when left out
}

// Field is one typed column of a source.
type Field struct {
	Name     string
	Type     Type
	Nullable bool
	From     Path     // default: a key of the name
	Was      []string // the names that the column had in earlier definitions
	Default  *string  // JSON text used where the value is missing
}

// View is a named set of dimensions and measures over one source.
type View struct {
	Name        string
	Description string
	Source      *Source
	Where       string // SQL over the source's columns; "" = all events
	Timezone    string // IANA zone that day and longer grains honour
	Location    *time.Location
	Dimensions  []Dimension
	// MaxValues is how many values of each text dimension the speed layer knows in an epoch of a partition; events with further ones go to
	// `__other__` until a batch has counted them. 0: no limit.
	MaxValues int
	Grains    []Grain   // finest first
	Measures  []Measure // stored ones and derived ones, in the order of the file
	Windows   []Window  // in the order of the file
	// Times says that a cell knows when its first and its last event were: what sessions are composed of. Views without them do not pay for it.
	Times     bool
	Hash      string // SHA-256, hex, of everything that decides what a cell holds; the definition's name
	Canonical []byte // the JSON that was hashed; stored in the lake under Hash
	Tests     []Test // inline ones, in the order of the file
	base      Grain  // see Base; zero in a view that Parse has not made
}

// Measure returns the position of the named measure, or -1.
func (v *View) Measure(name string) int {
	for i := range v.Measures {
		if v.Measures[i].Name == name {
			return i
		}
	}
	return -1
}

// Dimension returns the position of the named dimension, or -1.
func (v *View) Dimension(name string) int {
	for i := range v.Dimensions {
		if v.Dimensions[i].Name == name {
			return i
		}
	}
	return -1
}

// Dimension is a group-by column: an SQL expression over the source's columns.
type Dimension struct {
	Name        string
	Expr        string
	Type        Type // as DuckDB infers it
	Description string
}

// Agg is the kind of a measure.
type Agg string

// Stored says whether cells keep anything for measures of the kind; the others are computed from these after the merge.
func (a Agg) Stored() bool { return a != Derived && a != Share && a != Running }

// The aggregations of this version. Derived measures are SQL over other measures, computed after the merge, as shares and running totals are.
const (
	Count         Agg = "count"
	Sum           Agg = "sum"
	Min           Agg = "min"
	Max           Agg = "max"
	Average       Agg = "average"
	CountDistinct Agg = "count_distinct"
	Percentile    Agg = "percentile" // `median` is read as percentile with p 0.5
	First         Agg = "first"      // the value of the earliest event that has one, by (event time, incarnation, partition, offset)
	Last          Agg = "last"
	VarSamp       Agg = "var_samp" // `variance` is read as it
	VarPop        Agg = "var_pop"
	StddevSamp    Agg = "stddev_samp" // `stddev` is read as it
	StddevPop     Agg = "stddev_pop"
	TopK          Agg = "top_k"
	Histogram     Agg = "histogram"
	Derived       Agg = "derived"
	Share         Agg = "share"   // of another measure, in the total of rows of the answer
	Running       Agg = "running" // total of another measure, along time
)

// Measure is an aggregate of a view, or an expression over its aggregates.
type Measure struct {
	Name        string
	Agg         Agg
	Expr        string   // over the source's columns; for Derived over measures that are kept: other derived ones are written out
	Filter      string   // SQL over the source's columns: only these events count; "" = all
	Type        Type     // of the answer
	Input       Type     // of Expr per event: what enters the aggregate (for sums: the declared decimal or integer)
	P           float64  // Percentile, in (0, 1)
	K           int      // TopK: how many values, 1 to 100
	Bounds      []string // Histogram: where its bins meet, ascending, as canonical numbers of type Input
	Of          string   // Share, Running: the measure that is added up, a count or a sum
	Within      []string // Share: the total is of the rows that have these in common, "time" and dimensions; nil: of all rows
	Description string
	Unit        string
}
