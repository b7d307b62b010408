package auth

import (
	"fmt"
	"os"
	"time"
)

// lookAgain is how often a file is looked at while it is asked for: a change is seen so late at most.
const lookAgain = time.Second

// fileMark is what tells one state of a file from the next.
type fileMark struct {
	looked   time.Time
	modified time.Time
	size     int64
	inode    os.FileInfo
}

// look says whether a file is another than when it was last looked at. The mark that it returns takes the place of this one, also beside an error, so
// that a file that is gone is reported once in a while and not with every request.
func (m fileMark) look(path string, now time.Time) (next fileMark, changed bool, err error) {
	if !m.looked.IsZero() && now.Sub(m.looked) < lookAgain {
		return m, false, nil
	}
	m.looked = now
	info, err := os.Stat(path)
	if err != nil {
		return m, false, fmt.Errorf("look at %s: %w", path, err)
	}
	changed = m.inode == nil || !os.SameFile(m.inode, info) || !m.modified.Equal(info.ModTime()) || m.size != info.Size()
	m.modified, m.size, m.inode = info.ModTime(), info.Size(), info
	return m, changed, nil
}
