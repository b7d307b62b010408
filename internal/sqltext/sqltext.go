// Package sqltext writes names and texts as SQL does, in a way that no content can leave. It is the same in DuckDB, Trino and PostgreSQL.
package sqltext

import "strings"

// Name is an identifier.
func Name(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// Text is a string literal.
func Text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
