package view

import "strings"

// refuse looks for what an expression must not contain, because its result would not be a function of the row alone: then the
// speed and the batch layer, which evaluate it at different times and in different company, would disagree.
func refuse(ls []lexeme, columns []string) []mistake {
	var out []mistake
	for i, l := range ls {
		if l.kind == symbol {
			if l.text == "," && l.depth == 0 {
				out = append(out, mistake{l.pos, "more than one expression", "write one SQL expression over the columns"})
			}
			continue
		}
		if l.kind == literal {
			continue
		}
		if m, bad := refuseWord(ls, i, columns); bad {
			m.pos = l.pos
			out = append(out, m)
		}
	}
	return out
}

// refuseWord judges the name at position i.
func refuseWord(ls []lexeme, i int, columns []string) (mistake, bool) {
	l := ls[i]
	call := called(ls, i)
	var before string
	if i > 0 {
		before = ls[i-1].text
	}
	if l.kind == word && !call {
		switch {
		case contains(columns, l.text):
			return mistake{}, false
		case isOneOf(l.text, "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"):
			return volatile(l.text), true
		case isOneOf(l.text, "current_user", "session_user", "current_schema", "current_catalog"):
			return volatile(l.text), true
		}
	}
	if l.kind == word {
		switch {
		case isOneOf(l.text, "select", "values", "pivot", "unpivot", "describe", "summarize"),
			isOneOf(l.text, "from", "with") && before == "(", l.text == "exists" && call:
			return mistake{what: "a subquery", mend: "an expression sees one row; join before the event is produced"}, true
		case l.text == "over", l.text == "order" && i > 0 && i+1 < len(ls) && ls[i+1].text == "by":
			return mistake{what: "a window function or an order", mend: "an expression sees one row; there is no order of rows that both layers share"}, true
		case l.text == "as" && l.depth == 0:
			return mistake{what: "an alias", mend: "the name is the key `name`"}, true
		}
	}
	if !call {
		return mistake{}, false
	}
	switch {
	case l.text == "unnest":
		return mistake{what: "unnest() makes several rows of one event", mend: noList}, true
	case isVolatile(l.text), l.text == "age" && arguments(ls, i) == 1:
		return volatile(l.text + "()"), true
	case l.text == "hash":
		return mistake{what: "hash() may give other values in another version of the engine", mend: "use md5_number()"}, true
	case strings.HasPrefix(l.text, "caudal_"):
		return mistake{what: l.text + "() belongs to the platform, and may change with it", mend: "use a function of DuckDB's"}, true
	case isAggregate(l.text):
		return mistake{what: "aggregate " + l.text + "() inside an expression", mend: "the key `agg` aggregates; an expression sees one row"}, true
	case isWindow(l.text):
		return mistake{what: l.text + "() depends on the order of rows", mend: "an expression sees one row; there is no order of rows that both layers share"}, true
	}
	return mistake{}, false
}

func volatile(name string) mistake {
	return mistake{
		what: name + " is not a function of the event alone",
		mend: "use the event's own fields: batch evaluates the expression again, later",
	}
}

// arguments counts the arguments of the call at i.
func arguments(ls []lexeme, i int) int {
	n, depth := 0, ls[i+1].depth
	for j := i + 2; j < len(ls); j++ {
		if ls[j].depth < depth {
			break
		}
		if n == 0 {
			n = 1
		}
		if ls[j].depth == depth && ls[j].text == "," && ls[j].kind == symbol {
			n++
		}
	}
	return n
}

func isVolatile(name string) bool {
	return isOneOf(name, "now", "today", "get_current_time", "get_current_timestamp", "current_date", "current_time", "current_timestamp",
		"current_localtime", "current_localtimestamp", "transaction_timestamp", "statement_timestamp", "clock_timestamp", "random", "rand", "setseed",
		"uuid", "gen_random_uuid", "uuidv4", "uuidv7", "nextval", "currval", "txid_current", "getenv", "getvariable", "current_setting",
		"current_user", "session_user", "current_schema", "current_schemas", "current_database", "current_catalog", "current_query",
		"current_connection_id", "current_query_id", "current_transaction_id", "version", "pg_timezone_names", "sleep_ms", "write_log")
}

func isAggregate(name string) bool {
	for _, prefix := range []string{"approx_", "regr_", "stddev", "var_", "quantile", "covar_", "bool_", "arg_", "reservoir_", "histogram", "bitstring_agg"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return isOneOf(name, "count", "count_star", "count_if", "countif", "sum", "avg", "mean", "min", "max", "any_value", "arbitrary",
		"first", "last", "min_by", "max_by", "argmin", "argmax", "list", "array_agg", "string_agg", "group_concat", "listagg", "median", "mode",
		"variance", "corr", "skewness", "kurtosis", "kurtosis_pop", "entropy", "mad", "sem", "fsum", "favg", "kahan_sum", "sumkahan",
		"sum_no_overflow", "product", "geomean", "geometric_mean", "bit_and", "bit_or", "bit_xor", "weighted_avg", "wavg",
		"generate_subscripts", "map_agg", "json_group_array", "json_group_object", "grouping", "grouping_id")
}

func isWindow(name string) bool {
	return isOneOf(name, "row_number", "rank", "dense_rank", "rank_dense", "percent_rank", "cume_dist", "ntile", "lag", "lead",
		"first_value", "last_value", "nth_value", "fill")
}

func isOneOf(s string, of ...string) bool { return contains(of, s) }

// contains is without regard to upper and lower case, as names are in the engine.
func contains(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
