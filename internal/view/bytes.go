package view

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseBytes reads an amount of memory as DuckDB writes it: 512MB, 2GB, 1.5 GiB; units of 1000 without the i, of 1024 with it.
func ParseBytes(s string) (int64, error) {
	digits := strings.TrimRight(s, "KMGTiB ")
	n, err := strconv.ParseFloat(digits, 64)
	unit := strings.TrimSpace(s[len(digits):])
	base := 1000.0
	if strings.Contains(unit, "i") {
		base = 1024
	}
	power := strings.IndexByte("BKMGT", (unit + " ")[0])
	if err != nil || n <= 0 || power < 0 || !strings.HasSuffix(unit, "B") {
		return 0, fmt.Errorf("%q is no amount of memory: write e.g. 512MB or 2GB", s)
	}
	for range power {
		n *= base
	}
	return int64(n), nil
}
