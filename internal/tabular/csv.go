package tabular

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// CSV writes the table as RFC 4180 says, with a header. Null is an empty field and the empty text a quoted one, so that they can be told
// apart. Lists are JSON.
func (t *Table) CSV(w io.Writer) error {
	var dst []byte
	for i, c := range t.Columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendField(dst, []byte(c.Name))
	}
	dst = append(dst, "\r\n"...)
	var text []byte
	for _, row := range t.Rows {
		for i, v := range row {
			if i > 0 {
				dst = append(dst, ',')
			}
			if !v.IsNull() {
				text = t.appendText(text[:0], t.Columns[i], v)
				dst = appendField(dst, text)
			}
		}
		dst = append(dst, "\r\n"...)
		if len(dst) >= flushBytes {
			if _, err := w.Write(dst); err != nil {
				return fmt.Errorf("write csv: %w", err)
			}
			dst = dst[:0]
		}
	}
	if _, err := w.Write(dst); err != nil {
		return fmt.Errorf("write csv: %w", err)
	}
	return nil
}

// appendField quotes what needs it.
func appendField(dst, text []byte) []byte {
	if len(text) > 0 && !bytes.ContainsAny(text, "\",\r\n") && text[0] != ' ' && text[len(text)-1] != ' ' {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(string(text), `"`, `""`)...)
	return append(dst, '"')
}
