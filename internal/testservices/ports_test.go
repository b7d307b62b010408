package testservices

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestAPortIsGivenOnceAndToNobodyWhoDialsOut(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Fatal(err)
	}
	first, err := strconv.Atoi(strings.Fields(string(text))[0])
	if err != nil {
		t.Fatal(err)
	}
	given := map[int]bool{}
	for range 50 {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		if given[port] || port >= first {
			t.Fatalf("port %d; there were %v, and %d is the first of those that dial out", port, given, first)
		}
		given[port] = true
		if free, err := reserve(port); free || err != nil {
			t.Fatalf("port %d is given again: %v", port, err)
		}
	}
}

func TestAPortThatSomebodyListensOnIsNotFree(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if free, err := reserve(l.Addr().(*net.TCPAddr).Port); free || err != nil {
		t.Errorf("it is given: %v", err)
	}
}
