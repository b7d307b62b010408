// Command s3gateway serves a folder as S3 until it is told to stop. It is a module of its own, so that what the gateway
// needs stays out of caudal's.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "s3gateway:", err)
		os.Exit(1)
	}
}

func run() error {
	dir := flag.String("dir", "", "folder to serve")
	addr := flag.String("addr", "127.0.0.1:7070", "host:port to listen on")
	bucket := flag.String("bucket", "caudal", "bucket to have")
	access := flag.String("access", "test", "access key")
	secret := flag.String("secret", "testsecret", "secret key")
	region := flag.String("region", "us-east-1", "region")
	flag.Parse()
	if *dir == "" {
		return fmt.Errorf("-dir is missing")
	}
	if err := os.MkdirAll(filepath.Join(*dir, *bucket), 0o755); err != nil {
		return err
	}
	be, err := posix.New(*dir, meta.XattrMeta{}, posix.PosixOpts{CopyObjectThreshold: 5 << 30})
	if err != nil {
		return fmt.Errorf("serve %s: %w", *dir, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return embedgw.RunVersityGW(ctx, be, &embedgw.Config{
		RootUserAccess:    *access,
		RootUserSecret:    *secret,
		Region:            *region,
		Ports:             []string{*addr},
		MaxConnections:    4096,
		MaxRequests:       4096,
		MultipartMaxParts: 10000,
		KeepAlive:         true,
		Quiet:             true,
		HealthPath:        "/healthz",
	})
}
