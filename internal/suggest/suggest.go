// Package suggest finds the names that were probably meant.
package suggest

import (
	"fmt"
	"slices"
	"strings"
)

// Nearest returns the names that were probably meant, the nearest first: at most three, with at most a third of their letters wrong.
func Nearest(name string, known []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var found []candidate
	lower := strings.ToLower(name)
	for _, k := range known {
		d := editDistance(lower, strings.ToLower(k))
		if strings.Contains(strings.ToLower(k), lower) && len(lower) >= 3 {
			d = min(d, 1)
		}
		if d <= max(1, max(len(name), len(k))/3) {
			found = append(found, candidate{k, d})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.distance - b.distance })
	var names []string
	for _, c := range found[:min(3, len(found))] {
		names = append(names, c.name)
	}
	return names
}

// Names is a sentence of what to write instead: the nearest names, or those that there are.
func Names(near, known []string) string {
	switch {
	case len(near) > 0:
		return fmt.Sprintf("did you mean %s?", quoteList(near, " or "))
	case len(known) == 0:
		return "there are none"
	case len(known) > 12:
		return fmt.Sprintf("there are %s and %d more", quoteList(known[:12], ", "), len(known)-12)
	}
	return "there are " + quoteList(known, ", ")
}

func quoteList(names []string, between string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(quoted, between)
}

// editDistance is Levenshtein's, in bytes, of names that are cut off at 64.
func editDistance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
