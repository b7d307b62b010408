package testservices

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// S3Server says how to reach a bucket: path-style addressing.
type S3Server struct {
	Endpoint  string // http://host:port
	Bucket    string
	AccessKey string
	SecretKey string
	Region    string
}

// S3Gateway is a versitygw that serves a temporary folder.
type S3Gateway struct {
	*process
	S3Server
}

// StartS3 starts an S3 gateway with one empty bucket and waits until it answers. The program is built on first use.
func StartS3() (*S3Gateway, error) {
	bin, err := buildGateway()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := newProcess("s3")
	if err != nil {
		return nil, err
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	g := &S3Gateway{process: p, S3Server: S3Server{
		Endpoint: "http://" + addr, Bucket: "caudal", AccessKey: "test", SecretKey: "testsecret", Region: "us-east-1",
	}}
	p.args = []string{bin, "-dir", filepath.Join(p.dir, "data"), "-addr", addr, "-bucket", g.Bucket,
		"-access", g.AccessKey, "-secret", g.SecretKey, "-region", g.Region}
	if err := g.Restart(); err != nil {
		g.Stop()
		return nil, err
	}
	return g, nil
}

// Restart starts it again after Kill, with the same objects, and waits until it answers.
func (g *S3Gateway) Restart() error {
	if err := g.start(); err != nil {
		return err
	}
	client := &http.Client{Timeout: time.Second}
	defer client.CloseIdleConnections()
	return g.await(20*time.Second, func() error {
		r, err := client.Get(g.Endpoint + "/healthz")
		if err != nil {
			return err
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", r.Status)
		}
		return nil
	})
}

// buildGateway builds the nested module's program into the repository's .services, unless it is there and not older
// than its source. Test binaries of several packages may want it at once, hence the lock.
func buildGateway() (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	src := filepath.Join(root, "internal", "testservices", "s3gateway")
	dir := filepath.Join(root, ".services")
	bin := filepath.Join(dir, "s3gateway")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(bin+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if fresh, err := newer(bin, src); err != nil || fresh {
		return bin, err
	}
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = src
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("s3 gateway: %w: build in %s: %w: %s", ErrNotInstalled, src, err, strings.TrimSpace(string(out)))
	}
	return bin, nil
}

// newer tells whether the file is newer than every file of the folder.
func newer(file, dir string) (bool, error) {
	f, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		i, err := e.Info()
		if err != nil {
			return false, err
		}
		if i.ModTime().After(f.ModTime()) {
			return false, nil
		}
	}
	return true, nil
}
