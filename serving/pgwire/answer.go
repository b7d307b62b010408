package pgwire

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/caudal/caudal/internal/engine"
)

// Bounds of an answer on its way, in bytes: what is sent at once, and what is kept for a client that takes rows in portions.
const (
	sendBytes = 32 << 10
	keptBytes = 32 << 20
)

// answer runs a statement and sends what comes of it; most is how many rows the client takes now, 0 all of them. described: the client has to be told
// what the rows are.
func (c *session) answer(p *prepared, o *portal, most int, described bool) error {
	if c.block == 'E' && (p.command == nil || p.command.tag != "ROLLBACK" && p.command.tag != "COMMIT") {
		return fail(stateFailedBlock, "send ROLLBACK", "current transaction is aborted, commands ignored until end of transaction block")
	}
	if p.command != nil {
		return c.answerCommand(p, described)
	}
	if most == 0 && !o.ran {
		s := &sender{session: c, formats: o.formats, described: described, told: p.columns}
		if err := c.query(p, o.values, s); err != nil {
			return err
		}
		c.wire.Send(&pgproto3.CommandComplete{CommandTag: fmt.Appendf(nil, "SELECT %d", s.count)})
		return nil
	}
	if !o.ran {
		s := &sender{session: c, formats: o.formats, keep: true, told: p.columns}
		if err := c.query(p, o.values, s); err != nil {
			return err
		}
		o.ran, o.waiting = true, s.kept
	}
	n := len(o.waiting)
	if most > 0 {
		n = min(most, n)
	}
	for _, row := range o.waiting[:n] {
		c.wire.Send(row)
	}
	if o.waiting = o.waiting[n:]; len(o.waiting) > 0 {
		c.wire.Send(&pgproto3.PortalSuspended{})
		return nil
	}
	c.wire.Send(&pgproto3.CommandComplete{CommandTag: fmt.Appendf(nil, "SELECT %d", n)})
	return nil
}

// answerCommand does what is not about rows.
func (c *session) answerCommand(p *prepared, described bool) error {
	value, err := p.command.do(c)
	if err != nil {
		return err
	}
	if p.command.column != "" {
		if described {
			if err := c.sendColumns(p, nil); err != nil {
				return err
			}
		}
		c.wire.Send(&pgproto3.DataRow{Values: [][]byte{[]byte(value)}})
	}
	c.wire.Send(&pgproto3.CommandComplete{CommandTag: []byte(p.command.tag)})
	return nil
}

// sender sends rows, or keeps them.
type sender struct {
	session   *session
	formats   []int16
	described bool                // tell first what they are
	told      []engine.ColumnInfo // otherwise: what the client was told that they are
	keep      bool
	kept      []*pgproto3.DataRow
	encoders  []encoder
	count     int
	bytes     int // since the last flush; of all that is kept
}

func (s *sender) columns(columns []engine.ColumnInfo) error {
	types := newTypes()
	for i, column := range columns {
		e, err := newEncoder(column, formatOf(s.formats, i) == 1, types)
		if err != nil {
			return err
		}
		s.encoders = append(s.encoders, e)
	}
	if !s.described {
		return sameColumns(s.told, columns)
	}
	description, err := describeColumns(columns, s.formats)
	if err != nil {
		return err
	}
	s.session.wire.Send(description)
	return nil
}

// sameColumns refuses rows that are not what the client was told: the definition has changed since the statement was prepared. Pools that keep prepared
// statements know PostgreSQL's words for it, and prepare anew.
func sameColumns(told, now []engine.ColumnInfo) error {
	same := slices.EqualFunc(told, now, func(a, b engine.ColumnInfo) bool {
		return a.Name == b.Name && a.List == b.List && typeOf(a.SQL, a.List).oid == typeOf(b.SQL, b.List).oid
	})
	if !same {
		return fail(stateNotSupported, "prepare the statement again", "cached plan must not change result type")
	}
	return nil
}

func (s *sender) rows(chunk *engine.Chunk) error {
	for i := range chunk.Len() {
		row := chunk.Row(i)
		message := &pgproto3.DataRow{Values: make([][]byte, len(s.encoders))}
		for k := range s.encoders {
			var err error
			if message.Values[k], err = s.encoders[k].append(row, k); err != nil {
				return fmt.Errorf("encode column %d: %w", k+1, err)
			}
			s.bytes += len(message.Values[k]) + 8
		}
		s.count++
		if s.keep {
			if s.kept = append(s.kept, message); s.bytes > keptBytes {
				return fail(stateTooLarge, "fetch all rows at once, or LIMIT them", "the answer has more than %d MiB, which is as much as is kept for a client that fetches rows in portions", keptBytes>>20)
			}
			continue
		}
		if s.session.wire.Send(message); s.bytes > sendBytes {
			s.bytes = 0
			if err := s.session.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}
