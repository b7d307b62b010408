package view

// isKeyword says whether SQL takes the name for a word of its own, or for a function without parentheses, unless it is quoted.
func isKeyword(name string) bool {
	return isOneOf(name, "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "at", "both", "case", "cast", "check",
		"collate", "column", "constraint", "create", "default", "deferrable", "desc", "describe", "distinct", "do", "else", "end", "except",
		"false", "fetch", "for", "foreign", "from", "group", "having", "in", "initially", "intersect", "into", "lambda", "lateral", "leading",
		"limit", "not", "null", "offset", "on", "only", "or", "order", "pivot", "pivot_longer", "pivot_wider", "placing", "primary", "qualify",
		"references", "returning", "select", "show", "some", "summarize", "symmetric", "table", "then", "to", "trailing", "true", "union",
		"unique", "unpivot", "using", "values", "variadic", "when", "where", "window", "with",
		"anti", "asof", "authorization", "binary", "by", "collation", "concurrently", "cross", "freeze", "full", "glob", "ilike", "inner",
		"is", "isnull", "join", "left", "like", "natural", "notnull", "outer", "overlaps", "positional", "right", "semi", "similar",
		"tablesample", "unpack", "verbose")
}

// columnSQL writes a column's name so that SQL takes it for one even where it is a word of the language.
func columnSQL(name string) string {
	if isKeyword(name) {
		return `"` + name + `"`
	}
	return name
}
