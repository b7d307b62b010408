package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

const endless = "SELECT count(*) FROM range(100000000000) a, range(100000000000) b WHERE hash(a.range + b.range) = 7"

func TestCancelEndsAQueryAndLeavesTheConnectionUsable(t *testing.T) {
	_, conn := openTest(t)
	for range 3 {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(20*time.Millisecond, cancel)
		start := time.Now()
		err := conn.Exec(ctx, endless)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("a cancelled query returned %v", err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the query ended after %v", took)
		}
		if rows := allRows(t, conn, "SELECT 42"); rows[0][0].Int64() != 42 {
			t.Fatal("the connection is not usable any more")
		}
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := conn.Exec(cancelled, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Fatalf("a query of a cancelled context returned %v", err)
	}
}

func TestMemoryLimitIsAnErrorOfTheQueryAlone(t *testing.T) {
	db, err := Open(Options{Threads: 1, MemoryLimit: "40MB", MaxTempSize: "1MB"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Connect()
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Exec(context.Background(), "SELECT list(range::VARCHAR || ' and more than twelve bytes') FROM range(2000000)")
	if err == nil || !strings.Contains(err.Error(), "Out of Memory") || strings.Contains(err.Error(), "\n") {
		t.Fatalf("a query beyond the memory limit returned %v", err)
	}
	if rows := allRows(t, conn, "SELECT 42"); rows[0][0].Int64() != 42 {
		t.Fatal("the connection is not usable any more")
	}
}

func TestErrorsNameTheStatementInOneLine(t *testing.T) {
	_, conn := openTest(t)
	err := conn.Exec(context.Background(), "SELECT no_such_column FROM range(3)")
	var e *Error
	if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), `run "SELECT no_such_column`) || strings.Contains(err.Error(), "LINE 1") {
		t.Fatalf("error %v", err)
	}
	if _, err := conn.Prepare("SELEC 1"); err == nil || !strings.Contains(err.Error(), "syntax error") {
		t.Fatalf("error %v", err)
	}
}

func TestOpenRefusesWhatItCannotSet(t *testing.T) {
	if _, err := Open(Options{MemoryLimit: "plenty"}); err == nil {
		t.Fatal("a memory limit that is none was accepted")
	}
}

func TestEachEndsTheQueryByItsError(t *testing.T) {
	_, conn := openTest(t)
	stop, calls := errors.New("enough"), 0
	err := conn.Query(context.Background(), "SELECT * FROM range(100000)", func(*Chunk) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Fatalf("%d calls, %v", calls, err)
	}
}
