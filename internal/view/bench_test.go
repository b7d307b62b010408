package view

import (
	"testing"
	"time"
)

func BenchmarkFloorOfADayInAZone(b *testing.B) {
	loc, err := loadZone("Europe/London")
	if err != nil {
		b.Fatal(err)
	}
	us := time.Date(2011, 6, 1, 12, 0, 0, 0, time.UTC).UnixMicro()
	for i := 0; b.Loop(); i++ {
		Grain{Unit: Day}.Floor(us+int64(i%100_000)*60_000_000, loc)
	}
}
