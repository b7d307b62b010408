package testservices

import (
	"context"
	"os"
	"strings"
	"testing"
)

// The services that a test was given, by CAUDAL_TEST_KAFKA and CAUDAL_TEST_REDIS, serve others too: what a test leaves there goes at its end.
// Those that are started here end with the process.

// LeaveNoTopic deletes a topic when the test has ended, and fails the test if it is there already: it would be somebody else's.
func LeaveNoTopic(tb testing.TB, topic string) {
	tb.Helper()
	given := os.Getenv("CAUDAL_TEST_KAFKA")
	if given == "" {
		return
	}
	topics := Topics{strings.Split(given, ",")}
	there, err := topics.exists(tb.Context(), topic)
	if err != nil {
		tb.Fatal(err)
	}
	if there {
		tb.Fatalf("the Kafka of CAUDAL_TEST_KAFKA has a topic %s, which this test would delete: name another Kafka, or delete it", topic)
	}
	tb.Cleanup(func() {
		ctx := context.WithoutCancel(tb.Context()) // which has ended
		there, err := topics.exists(ctx, topic)
		if err == nil && there {
			err = topics.Delete(ctx, topic)
		}
		if err != nil {
			tb.Errorf("delete what the test left: %v", err)
		}
	})
}

// LeaveNoKeys removes the keys of a project when the test has ended.
func LeaveNoKeys(tb testing.TB, project string) {
	tb.Helper()
	given := os.Getenv("CAUDAL_TEST_REDIS")
	if given == "" {
		return
	}
	tb.Cleanup(func() {
		r := &RedisServer{addr: given}
		for cursor := ""; cursor != "0"; {
			if cursor == "" {
				cursor = "0"
			}
			keys, err := r.List("SCAN", cursor, "MATCH", "{"+project+"/*", "COUNT", "1000")
			if err == nil && len(keys) > 1 {
				_, err = r.Do(append([]string{"UNLINK"}, keys[1:]...)...)
			}
			if err != nil {
				tb.Errorf("remove what the test left: %v", err)
				return
			}
			cursor = keys[0]
		}
	})
}
