package intake

import (
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/caudal/caudal/internal/algebra"
	"github.com/caudal/caudal/internal/view"
)

// cellText is the plain twin of how columns are laid out: it goes by big integers and the time package.
func cellText(c *Column, i int) string {
	if c.Null(i) {
		return "-"
	}
	switch c.Type.Kind {
	case view.List:
		var all []string
		for k := c.Lists[i].Offset; k < c.Lists[i].Offset+c.Lists[i].Length; k++ {
			all = append(all, cellText(c.Items, int(k)))
		}
		return "[" + strings.Join(all, " ") + "]"
	case view.String:
		return strconv.Quote(string(c.Strs[i].Bytes()))
	case view.Decimal:
		v := big.NewInt(0)
		if c.Type.Wide() {
			v = wideBig(c.Wide[i])
		} else {
			v.SetInt64(c.Words[i])
		}
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.Type.Scale)), nil)
		return new(big.Rat).SetFrac(v, unit).FloatString(int(c.Type.Scale))
	case view.Double:
		return strconv.FormatFloat(c.Float(i), 'g', -1, 64)
	case view.Bool:
		return strconv.FormatBool(c.Words[i] == 1)
	case view.Timestamp:
		return time.UnixMicro(c.Words[i]).UTC().Format(time.RFC3339Nano)
	case view.Date:
		return time.Unix(c.Words[i]*86400, 0).UTC().Format(time.DateOnly)
	}
	return strconv.FormatInt(c.Words[i], 10)
}

func wideBig(v algebra.Int128) *big.Int {
	x := new(big.Int).Lsh(big.NewInt(v.Hi), 64)
	return x.Add(x, new(big.Int).SetUint64(v.Lo))
}

func wideOf(v int64) algebra.Int128 { return algebra.Int128{Lo: uint64(v), Hi: v >> 63} }
