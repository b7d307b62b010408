package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/caudal/caudal/internal/testservices"
)

// releaseBefore is the commit that the roles are to work beside: the release before this one. It moves on with each release; before
// this one the speed layer kept its state in another layout, which neither reads of the other (ADR 38).
const releaseBefore = "73ef399"

// earlier builds the command as it was at the release before.
func earlier(t *testing.T) string {
	t.Helper()
	root, err := testservices.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tree := exec.Command("git", "archive", "--format=tar", "-o", filepath.Join(dir, "tree.tar"), releaseBefore)
	tree.Dir = root
	if out, err := tree.CombinedOutput(); err != nil {
		t.Skipf("SKIP roles of two releases: commit %s, the release before this one, is not here, as in a copy without history (git fetch --unshallow gets it): %v: %s", releaseBefore, err, out)
	}
	bin := filepath.Join(dir, "caudal")
	for _, args := range [][]string{{"tar", "-xf", "tree.tar"}, {"go", "build", "-o", bin, "."}} {
		c := exec.Command(args[0], args[1:]...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	return bin
}

// TestRolesOfTwoReleasesWorkTogether upgrades the roles one after the other from the release before to this one, in the order of
// docs/operations/upgrade.md, and back again. Whatever runs beside whatever, every number is right, and both releases give the same answers.
func TestRolesOfTwoReleasesWorkTogether(t *testing.T) {
	long(t)
	t.Parallel()
	before, after := earlier(t), ""
	s := siteOf(t, where{asShipped: true})
	s.command = before
	speed, archive := s.listening("speed"), s.listening("archive")
	oldServe := s.listening("serve", "--sql", "")
	s.command = after
	newServe := s.listening("serve", "--sql", "")
	s.ask() // by this release, throughout
	step := func(what string, batch string) {
		t.Helper()
		s.produce(200)
		s.heals()
		s.command = batch
		s.batch()
		s.produce(100)
		s.heals()
		s.until("both releases answer the same after: "+what, func() error { return differ(rowsOf(t, oldServe), rowsOf(t, newServe)) })
	}
	replace := func(i *instance, by string) {
		i.terminate()
		s.command = by
		i.again()
		i.ready()
	}
	step("everything of the release before", before)
	step("batch of this release", after)
	replace(archive, after)
	step("archive of this release, batch of the one before", before)
	replace(speed, after)
	step("speed of this release", after)
	replace(archive, before)
	step("archive gone back", after)
	replace(speed, before)
	step("speed gone back", before)
	s.quiet()
	s.batch("--full")
	s.heals()
	for _, i := range []*instance{speed, archive, oldServe, newServe} {
		i.terminate()
	}
}
