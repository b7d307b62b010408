// Package testservices runs the real services that tests and benchmarks need, without a container engine: Apache
// Kafka, Redis and an S3 gateway, as child processes on free ports of the loopback. They die with the process that
// started them.
package testservices

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrNotInstalled: a service's program is missing on this machine. The remedy is in the message.
var ErrNotInstalled = errors.New("not installed")

// process is a child process that can be killed and started again with the same arguments, ports and folder.
type process struct {
	name  string
	args  []string
	env   []string
	dir   string     // its own folder, made by newProcess
	extra []*os.File // that it has open beside the standard ones, from 3 on
	log   string     // file of what it prints

	cmd    *exec.Cmd
	done   chan error // its end
	paused bool
}

// newProcess makes a folder for a process. It goes when this process has gone.
func newProcess(name string) (*process, error) {
	home, err := ownFolder()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(home, name+"-")
	if err != nil {
		return nil, err
	}
	return &process{name: name, dir: dir, log: filepath.Join(dir, name+".log")}, nil
}

// ownFolder is this process' folder for its services. It goes when this process has gone, however that happens: a test binary has no moment of
// its own at the end, so a shell waits for the end of a pipe whose other end only this process holds. Folders of processes whose shell was
// killed too are removed here.
var ownFolder = sync.OnceValues(func() (string, error) {
	root := filepath.Join(os.TempDir(), "caudal-services")
	sweep(root)
	dir := filepath.Join(root, strconv.Itoa(os.Getpid()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	var pipe [2]int // a number, as a file would be closed once nobody holds it
	if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC); err != nil {
		return "", fmt.Errorf("make a pipe to who tidies up: %w", err)
	}
	theirs := os.NewFile(uintptr(pipe[0]), "end")
	defer theirs.Close()
	// the services are killed in the same moment, and may be writing still
	shell := exec.Command("sh", "-c", `cat; for i in 1 2 3 4 5; do rm -rf "$0" && exit; sleep 0.2; done`, dir)
	shell.Stdin, shell.SysProcAttr = theirs, &syscall.SysProcAttr{Setpgid: true}
	if err := shell.Start(); err != nil {
		return "", fmt.Errorf("start who tidies up: %w", err)
	}
	return dir, nil
})

// sweep removes the folders of processes that are no more.
func sweep(root string) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			os.RemoveAll(filepath.Join(root, e.Name()))
		}
	}
}

// start starts the process. It gets SIGKILL when this process dies, however that happens.
func (p *process) start() error {
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, out, out
	cmd.Env, cmd.ExtraFiles = append(append(os.Environ(), "TMPDIR="+p.dir), p.env...), p.extra // what it leaves behind goes with its folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	done, started := make(chan error, 1), make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the thread that started the child ends, so that thread has to stay: for the child, and then for those
		// whom others may have started on it before it was locked, as it would end with a goroutine that leaves it locked.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.cmd, p.done = cmd, done
	return nil
}

// signal sends the signal and waits for the end; after the time limit it kills.
func (p *process) signal(s syscall.Signal, limit time.Duration) error {
	if p.cmd == nil {
		return nil
	}
	defer func() { p.cmd, p.paused = nil, false }()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(limit):
		p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("stop %s: it did not end within %v and was killed", p.name, limit)
	}
}

// Kill ends the process as kill -9 does. What it had acknowledged has to survive that.
func (p *process) Kill() error { return p.signal(syscall.SIGKILL, 10*time.Second) }

// Stop ends the process in its own way and removes its folder.
func (p *process) Stop() error {
	err := p.signal(syscall.SIGTERM, 20*time.Second)
	if e := os.RemoveAll(p.dir); err == nil {
		err = e
	}
	return err
}

// Pause stops the process from running without ending it, as a long garbage collection or a full disk does.
func (p *process) Pause() error {
	p.paused = true
	return p.cmd.Process.Signal(syscall.SIGSTOP)
}

// Resume lets it run again.
func (p *process) Resume() error {
	p.paused = false
	return p.cmd.Process.Signal(syscall.SIGCONT)
}

// runs says whether it is there to answer.
func (p *process) runs() bool { return p.cmd != nil && !p.paused }

// await calls ready until it returns nil. It fails early when the process ends, with what that printed last.
func (p *process) await(limit time.Duration, ready func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case end := <-p.done:
			p.cmd = nil
			return fmt.Errorf("%s ended while starting (%v): %s", p.name, end, p.tail())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s was not ready within %v (%w): %s", p.name, limit, err, p.tail())
		}
	}
}

// tail returns the end of the log.
func (p *process) tail() string {
	f, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	const n = 2000
	if s, err := f.Stat(); err == nil && s.Size() > n {
		f.Seek(-n, io.SeekEnd)
	}
	b, _ := io.ReadAll(f)
	return strings.TrimSpace(string(b))
}

// Root returns the folder of the repository: the nearest one upwards with caudal's go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for d := dir; ; d = filepath.Dir(d) {
		b, err := os.ReadFile(filepath.Join(d, "go.mod"))
		if first, _, _ := strings.Cut(string(b), "\n"); err == nil && strings.TrimSpace(first) == "module github.com/caudal/caudal" {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", fmt.Errorf("find the repository's root above %s: no go.mod of caudal", dir)
		}
	}
}
