package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

func simpleQuery(sql string) *pgproto3.Query { return &pgproto3.Query{String: sql} }

// portions are the messages of a statement whose rows are fetched most at a time, so many times.
func portions(sql string, most uint32, times int) []pgproto3.FrontendMessage {
	list := []pgproto3.FrontendMessage{&pgproto3.Parse{Query: sql}, &pgproto3.Bind{}}
	for range times {
		list = append(list, &pgproto3.Execute{MaxRows: most})
	}
	return append(list, &pgproto3.Sync{})
}

// received names the messages up to the next time that the server is ready.
func received(t *testing.T, f *pgproto3.Frontend) string {
	t.Helper()
	var names []string
	for {
		m, err := f.Receive()
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(strings.TrimPrefix(typeName(m), "*"), "pgproto3.")
		names = append(names, name)
		if name == "ReadyForQuery" {
			return strings.Join(names, " ")
		}
	}
}

func TestHostileStatementsAreRefusedAndTouchNothing(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("a,b\nsesame,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "out")
	conn := connect(t, serveShop(t, newShop(), nil))
	for _, sql := range []string{
		"COPY (SELECT 1) TO '" + target + "'", "COPY sales_1h FROM '" + secret + "'", "ATTACH '" + target + "' AS x", "INSTALL httpfs", "LOAD httpfs", "PRAGMA database_list", "CALL pragma_version()",
		"SELECT * FROM read_csv('" + secret + "')", "SELECT * FROM read_text('" + secret + "')", "SELECT * FROM read_blob('" + secret + "')", "SELECT * FROM '" + secret + "'", "SELECT * FROM \"" + secret + "\"",
		"SELECT * FROM read_parquet('/etc/passwd')", "SELECT * FROM glob('/etc/*')", "SELECT * FROM sniff_csv('" + secret + "')", "SELECT * FROM parquet_metadata('x')",
		"SELECT * FROM query('SELECT 1')", "SELECT * FROM query_table('sales_1h')", "SELECT * FROM duckdb_settings()", "SELECT * FROM duckdb_secrets()", "SELECT * FROM pragma_table_info('x')",
		"SELECT * FROM json_execute_serialized_sql('x')", "SELECT getenv('HOME')", "SELECT * FROM temp.main.\"public.sales_1h rows\"", "SELECT * FROM _caudal.pg_type", "SELECT _caudal.version()",
		"SELECT * FROM system.main.sqlite_master", "SELECT * FROM sqlite_master", "SHOW TABLES FROM x", "DESCRIBE sales_1h", "SUMMARIZE sales_1h", "FROM (SUMMARIZE sales_1h)", "SELECT * FROM (DESCRIBE sales_1h)",
		"SELECT 1; DROP TABLE sales_1h", "/* SELECT */ CREATE TABLE x (a int)", "-- SELECT\nCREATE TABLE x (a int)", "WITH x AS (SELECT 1) INSERT INTO y SELECT * FROM x", "EXPLAIN ANALYZE SELECT 1",
		"SET enable_external_access = true; SELECT * FROM read_csv('" + secret + "')", "SELECT nextval('x')", "SELECT repeat('x', 2000000000)", "SELECT lpad('x', 2000000000, 'y')", "SELECT range(1000000000)",
		"PIVOT sales_1h ON country USING sum(revenue)", "SELECT * FROM (PIVOT sales_1h ON country USING sum(revenue))", strings.Repeat("(", 5000) + "SELECT 1" + strings.Repeat(")", 5000),
		"SELECT " + strings.Repeat("NOT ", 50_000) + "true", "SELECT 1" + strings.Repeat(" + 1", 100_000), "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 20_000),
		"SELECT $$" + secret, "SELECT E'\\", "BEGIN; COPY (SELECT 1) TO '" + target + "'",
	} {
		start := time.Now()
		results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.100s was refused after %v", sql, took)
		}
		if err == nil {
			t.Errorf("answered: %.100s", sql)
		}
		for _, r := range results {
			for _, row := range r.Rows {
				if strings.Contains(string(row[0]), "sesame") {
					t.Errorf("%.100s gives away a file", sql)
				}
			}
		}
		if _, err := conn.PgConn().Exec(t.Context(), "ROLLBACK").ReadAll(); err != nil {
			t.Fatalf("after %.100s: %v", sql, err)
		}
	}
	if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a statement has written a file: %v", err)
	}
}

func TestErrorsHaveTheStatesThatClientsKnow(t *testing.T) {
	conn := connect(t, serveShop(t, newShop(), nil))
	for sql, state := range map[string]string{
		"SELECT nope FROM sales_1h": stateNoColumn, "SELECT * FROM nope": stateNoTable, "SELECT nope(1)": stateNoFunction, "SELEC 1": stateSyntax, "SELECT FROM WHERE": stateSyntax,
		"INSERT INTO sales_1h VALUES (1)": stateReadOnly, "COPY sales_1h TO STDOUT": stateNotAllowed, "DECLARE c CURSOR FOR SELECT 1": stateNotSupported, "SELECT 'x'::int": stateUnreadable,
		"SELECT * FROM other.public.sales_1h": stateNotSupported, "SET client_encoding = 'LATIN1'": stateWrongValue, "SELECT struct_pack(a := 1)": stateNotSupported,
	} {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); stateIn(err) != state {
			t.Errorf("%s: %v, want SQLSTATE %s", sql, err, state)
		}
	}
}

func TestATransactionThatFailedAnswersNothingUntilItIsOver(t *testing.T) {
	conn := connect(t, serveShop(t, newShop(), nil))
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT nope"); err == nil {
		t.Fatal("answered")
	}
	if _, err := tx.Exec(t.Context(), "SELECT 1"); stateIn(err) != stateFailedBlock {
		t.Errorf("within it: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := table(t, conn, "SELECT 1"); got != "1" {
		t.Errorf("after it: %q", got)
	}
}

type nameKey struct{}

func TestAPasswordIsATokenAndIsLookedAtForEachStatement(t *testing.T) {
	var over atomic.Bool
	url := serveShop(t, newShop(), func(c *Config) {
		c.Behind.Authenticate = func(ctx context.Context, password string) (context.Context, error) {
			if password != "sesame" || over.Load() {
				return nil, errors.New("unknown")
			}
			return context.WithValue(ctx, nameKey{}, "ann"), nil
		}
	})
	if _, err := pgx.Connect(t.Context(), strings.Replace(url, "ann@", "ann:wrong@", 1)); stateIn(err) != stateWrongPassword {
		t.Errorf("a wrong password: %v", err)
	}
	conn := connect(t, strings.Replace(url, "ann@", "ann:sesame@", 1))
	if got := table(t, conn, "SELECT 1"); got != "1" {
		t.Errorf("%q", got)
	}
	over.Store(true)
	if _, err := conn.Exec(t.Context(), "SELECT 2"); stateIn(err) != stateWrongPassword {
		t.Errorf("a token that is no longer valid: %v", err)
	}
}

func TestAPasswordIsOnlyTakenWhereNobodyListens(t *testing.T) {
	c := &session{conn: &elsewhere{}, server: &Server{}}
	_, err := (Behind{}).authenticate(t.Context(), c)
	if explain(err).state != stateNoAuth {
		t.Errorf("%v", err)
	}
}

// elsewhere is a connection from another machine.
type elsewhere struct{ net.Conn }

func (*elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} }

func TestConnectionsAreEncryptedWhereThereIsACertificate(t *testing.T) {
	certificate := selfSigned(t)
	url := serveShop(t, newShop(), func(c *Config) { c.Behind.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}} })
	conn := connect(t, strings.Replace(url, "sslmode=disable", "sslmode=require", 1))
	if _, secure := conn.PgConn().Conn().(*tls.Conn); !secure {
		t.Error("the connection is not encrypted")
	}
	if got := table(t, conn, "SELECT 1"); got != "1" {
		t.Errorf("%q", got)
	}
}

func TestMoreClientsThanThereIsRoomForAreToldSo(t *testing.T) {
	url := serveShop(t, newShop(), func(c *Config) { c.Connections = 1 })
	connect(t, url)
	if _, err := pgx.Connect(t.Context(), url); stateIn(err) != stateTooMany {
		t.Errorf("%v", err)
	}
}

func FuzzNoBytesOfAClientBreakTheServer(f *testing.F) {
	start := (&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "x"}})
	first, err := start.Encode(nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range append(portions("SELECT $1", 1, 2), simpleQuery("SELECT 1; SHOW all"), &pgproto3.Describe{ObjectType: 'S'}, &pgproto3.Close{ObjectType: 'P'}, &pgproto3.Terminate{}) {
		bytes, err := m.Encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(append(first[:len(first):len(first)], bytes...))
	}
	f.Add([]byte{0, 0, 0, 8, 4, 210, 22, 47})
	f.Add(append(first[:len(first):len(first)], 'Q', 255, 255, 255, 255))
	url := serveShop(f, newShop(), nil)
	address := strings.TrimSuffix(strings.TrimPrefix(url, "postgres://ann@"), "/shop?sslmode=disable")
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(sent); err != nil {
			return // it has hung up already
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the server neither answers nor hangs up")
		}
	})
}

func FuzzNoStatementEscapesTheLexer(f *testing.F) {
	for _, sql := range []string{"SELECT 'a;b'; SELECT $x$;$x$", "/* ; /* ; */ */ x;y", "-- ;\nz", `E'\'';"`, "a OPERATOR(pg_catalog.~) b", "$1$2"} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		last := 0
		for _, token := range lex(sql) {
			if token.at < last || token.text == "" || sql[token.at:token.at+len(token.text)] != token.text {
				t.Fatalf("%q at %d after %d", token.text, token.at, last)
			}
			last = token.at + len(token.text)
		}
		for _, statement := range split(sql) {
			text(statement)
		}
	})
}
