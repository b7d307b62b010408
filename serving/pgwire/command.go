package pgwire

import (
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// command is a statement that is not about rows: its tag, and what it does. nil: the statement is a query.
type command struct {
	tag    string
	column string // of the one row that it answers with; "": no row
	do     func(c *session) (value string, err error)
}

// nothing is what a command does that has no effect here.
func nothing(*session) (string, error) { return "", nil }

// commandOf reads the statements that clients send besides queries.
func commandOf(tokens []token) (*command, error) {
	first, second := word(tokens, 0), word(tokens, 1)
	switch first {
	case "select", "with", "values", "table", "from", "(":
		return nil, nil
	case "begin", "start":
		return &command{tag: map[string]string{"begin": "BEGIN", "start": "START TRANSACTION"}[first], do: func(c *session) (string, error) { c.enterBlock(); return "", nil }}, nil
	case "commit", "end":
		return &command{tag: "COMMIT", do: func(c *session) (string, error) { c.block = 'I'; return "", nil }}, nil
	case "rollback", "abort":
		if second == "to" || word(tokens, 2) == "to" {
			return &command{tag: "ROLLBACK", do: func(c *session) (string, error) { c.block = 'T'; return "", nil }}, nil
		}
		return &command{tag: "ROLLBACK", do: func(c *session) (string, error) { c.block = 'I'; return "", nil }}, nil
	case "savepoint", "release", "close", "listen", "unlisten":
		return &command{tag: strings.ToUpper(first), do: nothing}, nil
	case "discard":
		return &command{tag: "DISCARD ALL", do: func(c *session) (string, error) { clear(c.statements); clear(c.portals); return "", nil }}, nil
	case "deallocate":
		return &command{tag: "DEALLOCATE", do: func(c *session) (string, error) { c.forget(tokens); return "", nil }}, nil
	case "set":
		return setting(tokens[1:])
	case "reset":
		return &command{tag: "RESET", do: nothing}, nil
	case "show":
		return show(tokens[1:])
	}
	switch first {
	case "insert", "update", "delete", "merge", "truncate", "create", "drop", "alter", "grant", "revoke", "comment", "vacuum", "analyze", "reindex", "refresh", "import":
		return nil, fail(stateReadOnly, "only SELECT is answered; events come in by POST /v1/events or the topic", "cannot execute %s in a read-only transaction", strings.ToUpper(first))
	case "copy", "attach", "detach", "install", "load", "pragma", "call", "use", "export", "checkpoint", "do", "lock":
		return nil, fail(stateNotAllowed, "only SELECT is answered", "permission denied for %s", strings.ToUpper(first))
	case "explain", "declare", "fetch", "move", "prepare", "execute", "describe", "summarize", "pivot", "unpivot":
		return nil, fail(stateNotSupported, "send the SELECT itself", "%s is not supported here", strings.ToUpper(first))
	}
	return nil, fail(stateSyntax, "only SELECT is answered", "syntax error at or near %q", tokens[0].text)
}

func (c *session) enterBlock() { c.block = 'T' }

// forget drops a prepared statement by its name, or all.
func (c *session) forget(tokens []token) {
	name := tokens[len(tokens)-1]
	if !name.quote && strings.EqualFold(name.text, "all") {
		clear(c.statements)
		return
	}
	delete(c.statements, strings.Trim(name.text, `"`))
}

// settingName is a name under which a setting is kept.
func settingName(name string) string { return strings.ToLower(strings.Trim(name, `"`)) }

// defaults of the settings that clients ask for.
func defaultSetting(name string) (string, bool) {
	value, ok := map[string]string{
		"server_version": "14.0 (caudal)", "server_version_num": "140000", "server_encoding": "UTF8", "client_encoding": "UTF8", "datestyle": "ISO, MDY", "intervalstyle": "postgres", "timezone": "UTC",
		"integer_datetimes": "on", "standard_conforming_strings": "on", "is_superuser": "off", "session_authorization": "caudal", "application_name": "", "default_transaction_read_only": "on",
		"in_hot_standby": "off", "transaction_isolation": "repeatable read", "transaction_read_only": "on", "search_path": `"$user", public`, "extra_float_digits": "1", "max_identifier_length": "63",
		"statement_timeout": "0", "lock_timeout": "0", "bytea_output": "hex", "client_min_messages": "notice", "default_transaction_isolation": "repeatable read", "max_index_keys": "32", "jit": "off",
		"row_security": "on", "ssl": "on", "idle_in_transaction_session_timeout": "0", "escape_string_warning": "on", "lc_collate": "C.UTF-8", "lc_ctype": "C.UTF-8", "lc_monetary": "C.UTF-8", "lc_numeric": "C.UTF-8",
	}[name]
	return value, ok
}

// setting is what a setting is now.
func (c *session) setting(name string) string {
	name = settingName(name)
	if value, ok := c.settings[name]; ok {
		return value
	}
	value, _ := defaultSetting(name)
	return value
}

// setting reads SET [SESSION | LOCAL] name { = | TO } value, and the forms with names of several words.
func setting(tokens []token) (*command, error) {
	for len(tokens) > 1 && (word(tokens, 0) == "session" || word(tokens, 0) == "local") && word(tokens, 1) != "=" && word(tokens, 1) != "to" {
		tokens = tokens[1:]
	}
	switch word(tokens, 0) {
	case "characteristics", "transaction", "authorization", "role", "constraints":
		return &command{tag: "SET", do: nothing}, nil
	case "names":
		return &command{tag: "SET", do: nothing}, nil
	case "time":
		tokens = append([]token{{text: "timezone"}, {text: "="}}, tokens[min(2, len(tokens)):]...)
	}
	if len(tokens) < 2 {
		return nil, fail(stateSyntax, "write SET name = value", "syntax error at end of SET")
	}
	name, rest := settingName(tokens[0].text), tokens[1:]
	for len(rest) > 0 && word(rest, 0) == "." && len(rest) > 1 {
		name += "." + settingName(rest[1].text)
		rest = rest[2:]
	}
	if len(rest) < 2 || word(rest, 0) != "=" && word(rest, 0) != "to" {
		return nil, fail(stateSyntax, "write SET name = value", "syntax error in SET %s", name)
	}
	value := strings.Trim(text(rest[1:]), "'")
	return &command{tag: "SET", do: func(c *session) (string, error) { return "", c.set(name, value) }}, nil
}

// set changes a setting. Most of them are about what there is nothing of here, and are only remembered.
func (c *session) set(name, value string) error {
	switch name {
	case "client_encoding":
		if upper := strings.ToUpper(strings.ReplaceAll(value, "-", "")); upper != "UTF8" && upper != "UNICODE" && upper != "SQL_ASCII" && upper != "DEFAULT" {
			return fail(stateWrongValue, "use UTF8", "encoding %q is not supported", value)
		}
		return nil
	case "timezone":
		if upper := strings.ToUpper(value); upper != "UTC" && upper != "GMT" && upper != "DEFAULT" && upper != "ETC/UTC" {
			c.notice("NOTICE", "00000", "times stay in UTC: write (time AT TIME ZONE '"+value+"') for another zone")
		}
		return nil
	case "statement_timeout":
		if _, ok := duration(value); !ok && !strings.EqualFold(value, "default") {
			return fail(stateWrongValue, "write milliseconds, or 10s", "invalid value for parameter statement_timeout: %q", value)
		}
	}
	const most = 100
	if _, known := c.settings[name]; !known && len(c.settings) >= most {
		return fail(stateTooLarge, "", "more than %d settings", most)
	}
	c.settings[name] = value
	if name == "application_name" {
		c.wire.Send(&pgproto3.ParameterStatus{Name: name, Value: value})
	}
	return nil
}

// duration reads a time as settings have it: milliseconds, or with a unit.
func duration(value string) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if n, err := strconv.ParseInt(value, 10, 32); err == nil && n >= 0 {
		return time.Duration(n) * time.Millisecond, true
	}
	d, err := time.ParseDuration(strings.ReplaceAll(strings.TrimSuffix(value, "in"), " ", ""))
	return d, err == nil && d >= 0
}

// limit is how long a statement may take: what the client has set, but no longer than the server's.
func (c *session) limit(most time.Duration) time.Duration {
	if d, ok := duration(c.setting("statement_timeout")); ok && d > 0 {
		return min(d, most)
	}
	return most
}

// show reads SHOW name.
func show(tokens []token) (*command, error) {
	name := strings.ToLower(text(tokens))
	switch name {
	case "":
		return nil, fail(stateSyntax, "write SHOW name", "syntax error at end of SHOW")
	case "transaction isolation level":
		name = "transaction_isolation"
	case "time zone":
		name = "timezone"
	}
	name = settingName(name)
	return &command{tag: "SHOW", column: name, do: func(c *session) (string, error) {
		if _, known := defaultSetting(name); !known && c.settings[name] == "" {
			return "", fail("42704", "", "unrecognized configuration parameter %q", name)
		}
		return c.setting(name), nil
	}}, nil
}
