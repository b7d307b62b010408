package lake_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caudal/caudal/internal/lake"
)

func TestABatchIsAskedForOnceByEachCauseAndUntilItIsAnswered(t *testing.T) {
	ctx, l := t.Context(), lake.New(openStore(t, t.TempDir(), lake.Options{NoSync: true}))
	asked := func() []lake.BatchAsk {
		t.Helper()
		all, err := l.BatchAsked(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	ask := func(view, cause string, at int64) {
		t.Helper()
		if err := l.AskBatch(ctx, lake.BatchAsk{View: view, Cause: cause, Reason: fmt.Sprint("at ", at), At: time.Unix(at, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(asked()); n != 0 {
		t.Fatalf("%d wishes before the first", n)
	}
	ask("sales", "memory", 1)
	ask("", "memory", 2)
	ask("sales", "memory", 3) // stands already
	before := asked()
	if len(before) != 2 || before[0].View != "" || before[1].Reason != "at 1" {
		t.Fatalf("asked %+v", before)
	}
	ask("sales", "cells", 4) // while the batch runs
	if err := l.AnswerBatch(ctx, before); err != nil {
		t.Fatal(err)
	}
	if left := asked(); len(left) != 1 || left[0].Cause != "cells" {
		t.Fatalf("left are %+v", left)
	}
	ask("sales", "memory", 5)
	if err := l.AnswerBatch(ctx, before); err != nil { // said again, late: the new wish is another
		t.Fatal(err)
	}
	if left := asked(); len(left) != 2 {
		t.Fatalf("left are %+v", left)
	}
}

func TestNoWishForABatchIsLostAmongThoseOfOthers(t *testing.T) {
	ctx, l := t.Context(), lake.New(openStore(t, t.TempDir(), lake.Options{NoSync: true}))
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() {
			if err := l.AskBatch(ctx, lake.BatchAsk{View: fmt.Sprint("view", i), Cause: "memory", At: time.Unix(int64(i), 0)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if asked, err := l.BatchAsked(ctx); err != nil || len(asked) != 5 {
		t.Fatalf("%d of 5 wishes stand: %v", len(asked), err)
	}
}
