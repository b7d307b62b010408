package live

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// script is a Lua source with the name that EVALSHA calls it by.
type script struct {
	source, sha string
	readOnly    bool
}

func newScript(source string, readOnly bool) script {
	h := sha1.Sum([]byte(source))
	return script{source: source, sha: hex.EncodeToString(h[:]), readOnly: readOnly}
}

func (s script) command(ctx context.Context, bySha bool, keys []string, args []any) *redis.Cmd {
	name, body := "EVAL", s.source
	if bySha {
		name, body = "EVALSHA", s.sha
	}
	if s.readOnly {
		name += "_RO"
	}
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, name, body, len(keys))
	for _, k := range keys {
		all = append(all, k)
	}
	cmd := redis.NewCmd(ctx, append(all, args...)...)
	// A cluster client routes by this position: the first key.
	cmd.SetFirstKeyPos(3)
	return cmd
}

// run calls the script, sending its source where the server does not know it. The reply is an array that begins with a word.
func (r *Redis) run(ctx context.Context, s script, keys []string, args ...any) (string, []any, error) {
	cmd := s.command(ctx, true, keys, args)
	_ = r.client.Process(ctx, cmd) // the error is the command's
	if unknownScript(cmd.Err()) {
		cmd = s.command(ctx, false, keys, args)
		_ = r.client.Process(ctx, cmd)
	}
	return reply(cmd)
}

func reply(cmd *redis.Cmd) (string, []any, error) {
	v, err := cmd.Slice()
	if err != nil {
		return "", nil, err
	}
	if len(v) > 0 {
		if word, ok := v[0].(string); ok {
			return word, v[1:], nil
		}
	}
	return "", nil, fmt.Errorf("the script answered %v", v)
}

func unknownScript(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT")
}
