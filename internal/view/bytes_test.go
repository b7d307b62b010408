package view

import "testing"

func TestAmountsOfMemoryReadAsDuckDBWritesThem(t *testing.T) {
	for text, want := range map[string]int64{"512MB": 512_000_000, "2GB": 2_000_000_000, "1.5 GiB": 3 << 29, "64KiB": 64 << 10, "7B": 7} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("%q reads as %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "lots", "-1GB", "12", "0MB", "5XB"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("%q reads as %d, want an error", text, got)
		}
	}
}
