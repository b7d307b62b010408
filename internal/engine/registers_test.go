package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/caudal/caudal/internal/algebra"
)

// The register of a text is what DuckDB's own md5 makes of it: of texts of every length around the ends of MD5's blocks, in chunks that do not fill its
// lanes, with nulls among them, and of constants.
func TestRegistersAreThoseOfDuckDBsOwnMD5(t *testing.T) {
	_, conn := openTest(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	const hash, tail = "CAST(md5_number(x) & 9223372036854775807 AS BIGINT)", "(((hash >> 12) & 2251799813685247) | 2251799813685248)"
	plain := fmt.Sprintf("SELECT i, CAST(((hash & 4095) << 6) | (bit_count((%[1]s & -%[1]s) - 1) + 1) AS UINTEGER) AS packed FROM (SELECT i, %[2]s AS hash FROM texts)", tail, hash)
	for _, n := range []int{1, 7, 8, 9, 2047, 5000} {
		var rows []string
		for i := range n {
			text := "NULL"
			if rnd.IntN(9) > 0 {
				length := rnd.IntN(14)
				if rnd.IntN(2) == 0 {
					length = rnd.IntN(200)
				}
				b := make([]byte, length)
				for j := range b {
					b[j] = byte('a' + rnd.IntN(26))
				}
				text = "'" + string(b) + strings.Repeat("ü", rnd.IntN(2)) + "'"
			}
			rows = append(rows, fmt.Sprintf("(%d, %s)", i, text))
		}
		if err := conn.Exec(context.Background(), "CREATE OR REPLACE TEMP TABLE texts AS SELECT * FROM (VALUES "+strings.Join(rows, ", ")+") AS t(i, x)"); err != nil {
			t.Fatal(err)
		}
		differ := allRows(t, conn, fmt.Sprintf("SELECT texts.x, plain.packed, fast.packed FROM texts JOIN (%s) AS plain USING (i) JOIN (SELECT i, %s(x) AS packed FROM texts) AS fast USING (i) "+
			"WHERE plain.packed IS DISTINCT FROM fast.packed", plain, algebra.RegisterFunction))
		if len(differ) > 0 {
			t.Fatalf("of %d texts %d have another register, %v the first", n, len(differ), differ[0])
		}
		if counted := allRows(t, conn, fmt.Sprintf("SELECT count(*) FROM texts WHERE x IS NULL AND %s(x) IS NOT NULL", algebra.RegisterFunction)); counted[0][0].Int64() != 0 {
			t.Fatalf("%v nulls have a register", counted[0][0])
		}
	}
	for length := range 130 {
		constant := allRows(t, conn, fmt.Sprintf("SELECT packed = %s(repeat('y', %d)) FROM (%s)", algebra.RegisterFunction, length, strings.Replace(plain, "FROM texts", fmt.Sprintf("FROM (SELECT 1 AS i, repeat('y', %d) AS x)", length), 1)))
		if !constant[0][0].Bool() {
			t.Errorf("a text of %d bytes has another register", length)
		}
	}
}
