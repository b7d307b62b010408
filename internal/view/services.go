package view

import (
	"regexp"
	"strings"
	"time"
)

// The keys of caudal.yaml. The JSON Schemas list the same ones; a test compares them.
func projectKeys() []string {
	return []string{"project", "kafka", "redis", "lake", "batch", "speed", "serving", "sinks", "sources"}
}
func kafkaKeys() []string { return []string{"brokers", "cluster", "tls", "sasl", "session_timeout"} }
func redisKeys() []string { return []string{"addrs", "cluster", "username", "password", "tls"} }
func lakeKeys() []string {
	return []string{"url", "endpoint", "region", "access_key", "secret_key", "path_style", "cache", "file_size", "compact_every", "versions"}
}
func batchKeys() []string {
	return []string{"memory_limit", "threads", "archive_wait", "snapshots", "instant_rollbacks", "every", "engine", "trino"}
}

func speedKeys() []string { return []string{"live_cells", "coarse_flush"} }

// defaultLiveCells is how many cells a group may have in Redis where the project does not say: some 300 MB of counts and sums.
const defaultLiveCells = 2_000_000

// Bounds of how seldom coarse grains are written: what is pending is read again from the log after a crash.
const (
	defaultCoarseFlush = 5 * time.Second
	maxCoarseFlush     = time.Hour
)

// sessionTimeout is short enough that the partitions of a dead process are served by another within seconds, and longer than pauses that
// are none.
const sessionTimeout = 6 * time.Second

// services reads caudal.yaml.
func (p *linter) services(f File) {
	r, n := p.read(f)
	if n == nil || !r.mapping(n, projectFile, projectKeys()) {
		return
	}
	r.require(n, projectFile, "project", "sources")
	p.project.Name = r.name(n.get("project"), "project", "-")
	p.project.Kafka.SessionTimeout = sessionTimeout
	p.project.Lake.tables(r, nil)
	if v := n.get("kafka"); v != nil && r.mapping(v, "kafka", kafkaKeys()) {
		r.require(v, "kafka", "brokers")
		p.project.Kafka.Brokers = r.addresses(v.get("brokers"), "kafka.brokers")
		p.project.Kafka.Cluster = r.text(v.get("cluster"), "kafka.cluster")
		p.project.Kafka.TLS = r.tls(v.get("tls"), "kafka.tls")
		p.project.Kafka.SASL = r.sasl(v.get("sasl"), p.project.Kafka.TLS.On)
		p.project.Kafka.SessionTimeout = r.duration(v.get("session_timeout"), "kafka.session_timeout", sessionTimeout, time.Second)
	}
	if v := n.get("redis"); v != nil && r.mapping(v, "redis", redisKeys()) {
		r.require(v, "redis", "addrs")
		p.project.Redis = Redis{
			Addrs:    r.addresses(v.get("addrs"), "redis.addrs"),
			Cluster:  r.boolean(v.get("cluster"), "redis.cluster"),
			Username: r.text(v.get("username"), "redis.username"),
			Password: r.text(v.get("password"), "redis.password"),
			TLS:      r.tls(v.get("tls"), "redis.tls"),
		}
	}
	if v := n.get("lake"); v != nil && r.mapping(v, "lake", lakeKeys()) {
		p.project.Lake = r.lake(v)
	}
	p.project.Batch = r.batch(n.get("batch"), p.project.Lake)
	p.project.Speed = r.speed(n.get("speed"))
	p.project.Serving = r.serving(n.get("serving"))
	p.project.Sinks = r.sinks(n.get("sinks"))
	p.allSources(r, n.get("sources"))
}

// lake reads where the lake is.
func (r *reader) lake(n *node) Lake {
	l := Lake{
		URL:       r.text(n.get("url"), "lake.url"),
		Endpoint:  r.text(n.get("endpoint"), "lake.endpoint"),
		Region:    r.text(n.get("region"), "lake.region"),
		AccessKey: r.text(n.get("access_key"), "lake.access_key"),
		SecretKey: r.text(n.get("secret_key"), "lake.secret_key"),
		PathStyle: r.boolean(n.get("path_style"), "lake.path_style"),
		Cache:     r.text(n.get("cache"), "lake.cache"),
	}
	l.tables(r, n)
	s3 := strings.HasPrefix(l.URL, "s3://")
	switch {
	case s3 && strings.Trim(strings.TrimPrefix(l.URL, "s3://"), "/") == "":
		r.add(n.get("url"), quote("lake.url", l.URL)+" names no bucket", `write "s3://bucket/prefix"`)
	case !s3 && strings.Contains(l.URL, "://"):
		r.add(n.get("url"), quote("lake.url", l.URL)+" is of a kind that this version does not know", `write "s3://bucket/prefix" or a folder`)
	}
	if l.Endpoint != "" && !strings.HasPrefix(l.Endpoint, "http://") && !strings.HasPrefix(l.Endpoint, "https://") {
		r.add(n.get("endpoint"), quote("lake.endpoint", l.Endpoint)+" is no URL", `write "http://…" or "https://…"`)
	}
	if (l.AccessKey == "") != (l.SecretKey == "") {
		r.add(n, "lake has only one of access_key and secret_key", "give both, or none to use the machine's own credentials")
	}
	return l
}

// batch reads the bounds of the batch layer, with every default.
func (r *reader) batch(n *node, lake Lake) Batch {
	b := Batch{Engine: EngineDuckDB, MemoryLimit: "2GB", ArchiveWait: 15 * time.Minute, Snapshots: 30, InstantRollbacks: 1}
	if n == nil || !r.mapping(n, "batch", batchKeys()) {
		return b
	}
	if v := n.get("memory_limit"); v != nil {
		b.MemoryLimit = r.filled(v, "batch.memory_limit")
		if b.MemoryLimit != "" && !regexp.MustCompile(`^[1-9]\d*(\.\d+)? ?[KMGT]i?B$`).MatchString(b.MemoryLimit) {
			r.add(v, quote("batch.memory_limit", b.MemoryLimit)+" is no amount of memory", `write e.g. "2GB" or "512MB"`)
		}
	}
	b.Threads = int(r.integer(n.get("threads"), "batch.threads", 0, 0, 1024))
	b.ArchiveWait = r.duration(n.get("archive_wait"), "batch.archive_wait", b.ArchiveWait, time.Second)
	b.Snapshots = int(r.integer(n.get("snapshots"), "batch.snapshots", int64(b.Snapshots), 1, 100_000))
	b.Every = r.duration(n.get("every"), "batch.every", 0, time.Minute)
	rollbacks := n.get("instant_rollbacks")
	b.InstantRollbacks = int(r.integer(rollbacks, "batch.instant_rollbacks", min(int64(b.InstantRollbacks), int64(b.Snapshots)-1), 0, 1000))
	if b.InstantRollbacks >= b.Snapshots {
		r.add(rollbacks, "batch.instant_rollbacks promises more than the snapshots that are kept", "keep at least one snapshot more than it")
	}
	r.engine(n, &b, lake)
	return b
}

// speed reads the bounds of the speed layer, with every default.
func (r *reader) speed(n *node) Speed {
	s := Speed{LiveCells: defaultLiveCells, CoarseFlush: defaultCoarseFlush}
	if n == nil || !r.mapping(n, "speed", speedKeys()) {
		return s
	}
	if s.CoarseFlush = r.duration(n.get("coarse_flush"), "speed.coarse_flush", s.CoarseFlush, 0); s.CoarseFlush > maxCoarseFlush {
		r.add(n.get("coarse_flush"), quote("speed.coarse_flush", FormatDuration(s.CoarseFlush))+" is too long", "it is at most "+FormatDuration(maxCoarseFlush))
	}
	s.LiveCells = int(r.integer(n.get("live_cells"), "speed.live_cells", defaultLiveCells, 1, 1_000_000_000))
	return s
}
