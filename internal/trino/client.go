// Package trino asks a Trino cluster. It is the only package that imports Trino's client.
package trino

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	client "github.com/trinodb/trino-go-client/trino"
)

// ErrAway says that the cluster does not answer, or not as Trino does.
var ErrAway = errors.New("no answer from Trino")

// Config says where a cluster is and who asks it.
type Config struct {
	URL      string // http://host:port or https://host:port
	User     string
	Password string      // "": none; only over https
	TLS      *tls.Config // nil: the machine's trust
	Catalog  string
	Schema   string
	// Session are properties of the session, by name; those of the catalog's connector with its name before a point.
	Session map[string]string
	// Patience is for how long a request that got no answer is sent again; default 10 s.
	Patience time.Duration
}

// defaultPatience outlasts the restart of a load balancer, not that of a cluster: a batch that fails is run again by whoever runs it.
const defaultPatience = 10 * time.Second

// Client is a connection to a cluster, for many goroutines.
type Client struct {
	url string
	db  *sql.DB
}

// Open checks the configuration. It asks nothing.
func Open(cfg Config) (*Client, error) {
	at, err := url.Parse(cfg.URL)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, fmt.Errorf("trino: %q is no URL of a cluster: write https://host:port", cfg.URL)
	}
	if at.User = url.User(cfg.User); cfg.Password != "" {
		at.User = url.UserPassword(cfg.User, cfg.Password)
	}
	if cfg.Patience == 0 {
		cfg.Patience = defaultPatience
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = cfg.TLS
	connector, err := client.NewConnector(&client.Config{
		ServerURI: at.String(), Source: "caudal", Catalog: cfg.Catalog, Schema: cfg.Schema, SessionProperties: cfg.Session,
		HTTPClient: &http.Client{Transport: transport}, RequestRetryTimeout: &cfg.Patience,
	})
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", at.Redacted(), err)
	}
	return &Client{url: at.Redacted(), db: sql.OpenDB(connector)}, nil
}

// Close ends the connections.
func (c *Client) Close() error { return c.db.Close() }

// Exec runs a statement.
func (c *Client) Exec(ctx context.Context, statement string) error {
	return c.Query(ctx, statement, func([]sql.NullString) error { return nil })
}

// Query runs a query whose columns are texts, and calls each with every row; the row is each's only during the call. What Trino had answered
// before a failure has been passed on: the caller throws it away. The query ends on the cluster, too, when ctx does.
func (c *Client) Query(ctx context.Context, query string, each func(row []sql.NullString) error) error {
	rows, err := c.db.QueryContext(ctx, query)
	if err != nil {
		return c.explain(ctx, err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return c.explain(ctx, err)
	}
	row := make([]sql.NullString, len(names))
	into := make([]any, len(names))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return c.explain(ctx, err)
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return c.explain(ctx, rows.Err())
}

// explain tells a query that failed from a cluster that is away.
func (c *Client) explain(ctx context.Context, err error) error {
	var failed *client.ErrTrino
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &failed):
		return fmt.Errorf("trino %s: %s: %s", c.url, failed.ErrorName, failed.Message)
	}
	return fmt.Errorf("%w at %s: %w", ErrAway, c.url, err)
}
