// The caudal-iceberg command writes Iceberg metadata over the files of a source's table, so that whatever reads Iceberg reads its versions: one
// snapshot for each, and no copy of data.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/caudal/caudal/internal/lake"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "caudal-iceberg: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("caudal-iceberg", flag.ContinueOnError)
	url := flags.String("lake", "", "the lake: a folder, or s3://bucket/prefix with the credentials of the environment")
	source := flags.String("source", "", "the source whose table is described; empty: all that have one")
	var options lake.Options
	flags.StringVar(&options.Endpoint, "endpoint", "", "base URL of an S3 server that is not AWS")
	flags.StringVar(&options.Region, "region", "", "S3 region")
	flags.BoolVar(&options.PathStyle, "path-style", false, "S3: the bucket stands in the path")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *url == "" {
		return fmt.Errorf("say where the lake is: -lake FOLDER or -lake s3://bucket/prefix")
	}
	store, err := lake.Open(ctx, *url, options)
	if err != nil {
		return err
	}
	l, sources := lake.New(store), []string{*source}
	if *source == "" {
		if sources, err = l.Tables(ctx); err != nil {
			return err
		}
	}
	for _, name := range sources {
		done, err := newPublisher(l, name).publish(ctx)
		if err != nil {
			return fmt.Errorf("describe the table of %s: %w", name, err)
		}
		fmt.Printf("%s: %d snapshots, %d new: %s\n", name, done.Snapshots, done.Written, done.Metadata)
	}
	return nil
}
