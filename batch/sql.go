package batch

import "strings"

// quoteText is a string literal of SQL.
func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
