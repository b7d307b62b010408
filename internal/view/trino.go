package view

import "strings"

func trinoKeys() []string {
	return []string{"url", "user", "password", "tls", "catalog", "schema", "location", "verify"}
}

// engine reads who computes a batch, and where Trino is.
func (r *reader) engine(n *node, b *Batch, lake Lake) {
	if engine := n.get("engine"); engine != nil {
		b.Engine = r.text(engine, "batch.engine")
		if b.Engine != EngineDuckDB && b.Engine != EngineTrino {
			r.add(engine, quote("batch.engine", b.Engine)+" is not known", "write duckdb or trino")
		}
	}
	t := n.get("trino")
	switch {
	case t == nil && b.Engine == EngineTrino:
		r.add(n, "batch.engine is trino, and batch.trino does not say where it is", "add `trino: {url: \"https://host:8443\", user: caudal}` to batch")
	case t != nil && r.mapping(t, "batch.trino", trinoKeys()):
		r.require(t, "batch.trino", "url")
		b.Trino = r.trino(t, lake)
	}
}

// trino reads where Trino is, with every default.
func (r *reader) trino(n *node, lake Lake) Trino {
	t := Trino{
		URL: r.text(n.get("url"), "batch.trino.url"), User: "caudal", Password: r.text(n.get("password"), "batch.trino.password"),
		TLS: r.tls(n.get("tls"), "batch.trino.tls"), Catalog: "hive", Schema: "caudal", Location: lake.URL,
	}
	for key, to := range map[string]*string{"user": &t.User, "catalog": &t.Catalog, "schema": &t.Schema, "location": &t.Location} {
		if v := n.get(key); v != nil {
			*to = r.filled(v, "batch.trino."+key)
		}
	}
	t.Location = strings.TrimRight(t.Location, "/")
	if n.get("url") != nil && !strings.HasPrefix(t.URL, "http://") && !strings.HasPrefix(t.URL, "https://") {
		r.add(n.get("url"), quote("batch.trino.url", t.URL)+" is no URL of a cluster", `write "https://host:8443"`)
	}
	if t.Password != "" && !strings.HasPrefix(t.URL, "https://") {
		r.add(n.get("password"), "batch.trino.password would be sent over a connection that is not encrypted", "write the URL as https://…")
	}
	if !strings.Contains(t.Location, "://") {
		r.add(n, "batch.trino does not say how Trino names the lake's root", "a lake in S3 is named as lake.url; for a folder that Trino has, too, add `location: \"local:///…\"`")
	}
	switch v := n.get("verify"); {
	case v == nil:
	case r.text(v, "batch.trino.verify") == "size":
		t.VerifyBySizeAndRow = true
	case r.text(v, "batch.trino.verify") != "sha256":
		r.add(v, quote("batch.trino.verify", r.text(v, "batch.trino.verify"))+" is not known", "write sha256 or size")
	}
	return t
}
