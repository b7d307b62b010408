package seamtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/caudal/caudal/internal/algebra"
)

// standing is an event and where it stands in the log.
type standing struct {
	verdict
	of     logOf
	offset int
}

func (s standing) before(o standing) bool {
	return cmp.Or(s.at.Compare(o.at), cmp.Compare(s.of.life, o.of.life), cmp.Compare(s.of.partition, o.of.partition), cmp.Compare(s.offset, o.offset)) < 0
}

// stand notes an event of the cell, after it was counted.
func (c *cell) stand(s standing) {
	if c.events == 1 || s.before(c.first) {
		c.first = s
	}
	if c.events == 1 || c.last.before(s) {
		c.last = s
	}
}

// variance is that of a population of amounts in cents, of the amounts, by rational arithmetic.
func variance(cents []int64) string {
	n := big.NewInt(int64(len(cents)))
	sum, squares := new(big.Int), new(big.Int)
	for _, x := range cents {
		sum.Add(sum, big.NewInt(x))
		squares.Add(squares, new(big.Int).Mul(big.NewInt(x), big.NewInt(x)))
	}
	over := squares.Mul(squares, n)
	over.Sub(over, sum.Mul(sum, sum))
	under := n.Mul(n, n)
	x, _ := new(big.Rat).SetFrac(over, under.Mul(under, big.NewInt(100*100))).Float64()
	return algebra.FloatValue(x).String()
}

// sizes is the histogram of amounts in cents, as an answer has it.
func sizes(cents []int64) string {
	bounds := []int64{0, 1000, 10000}
	counts := make([]int, len(bounds)+1)
	for _, x := range cents {
		i, found := slices.BinarySearch(bounds, x)
		if found {
			i++
		}
		counts[i]++
	}
	var bins []string
	from := "null"
	for i, n := range counts {
		to := "null"
		if i < len(bounds) {
			to = fmt.Sprintf("%q", money(bounds[i]))
		}
		bins = append(bins, fmt.Sprintf(`{"from":%s,"to":%s,"count":%d}`, from, to, n))
		from = to
	}
	return "[" + strings.Join(bins, ",") + "]"
}

// frequent is an entry of an answered top_k.
type frequent struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
	Error int64  `json:"error"`
}

// mostFrequent are the three users with the most events, as an exact answer has them.
func mostFrequent(users map[string]int64) string {
	names := slices.Sorted(maps.Keys(users))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(users[b], users[a]) })
	var list []string
	for _, name := range names[:min(3, len(names))] {
		list = append(list, fmt.Sprintf(`{"value":%q,"count":%d,"error":0}`, name, users[name]))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// compareFrequent accepts counts within the errors that stand beside them, and these within the bound.
func compareFrequent(have string, users map[string]int64, bound *float64) error {
	var list []frequent
	if err := json.Unmarshal([]byte(have), &list); err != nil || bound == nil {
		return fmt.Errorf("loyal is %s (bound %s): %w", have, boundText(bound), err)
	}
	all := int64(0)
	for _, n := range users {
		all += n
	}
	for _, f := range list {
		if n := users[f.Value]; n < f.Count || n > f.Count+f.Error || float64(f.Error) > *bound*float64(all)+1e-9 {
			return fmt.Errorf("loyal says %+v of %d, the naive fold says %d (bound %s)", f, all, n, boundText(bound))
		}
	}
	return nil
}
