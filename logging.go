package main

import (
	"fmt"
	"log/slog"
)

// logging is how a command logs, by its global flags.
type logging struct {
	format string        // text or json
	chosen string        // a level; "": each command's own
	level  slog.LevelVar // of what logs at it: a role's may be changed while it runs
}

// The formats of logs.
var logFormats = []string{"text", "json"}

// check refuses a format or a level that there is not.
func (l *logging) check() error {
	if l.format != logFormats[0] && l.format != logFormats[1] {
		return usageError{fmt.Errorf("--log-format %q: text or json", l.format)}
	}
	if l.chosen == "" {
		return nil
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.chosen)); err != nil {
		return usageError{fmt.Errorf("--log-level %q: debug, info, warn or error", l.chosen)}
	}
	return nil
}

// logger writes structured logs to standard error: everything that a role has to say in production, only troubles where a person
// looks at something else, unless --log-level says otherwise.
func (a *app) logger(level slog.Level) *slog.Logger {
	a.log.level.Set(level)
	if a.log.chosen != "" {
		if err := a.log.level.UnmarshalText([]byte(a.log.chosen)); err != nil {
			panic("BUG: a level that check let through: " + err.Error())
		}
	}
	options := &slog.HandlerOptions{Level: &a.log.level}
	if a.log.format == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, options))
	}
	return slog.New(slog.NewTextHandler(a.stderr, options))
}
