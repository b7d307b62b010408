package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/cenkalti/backoff/v5"
)

// bucket is a Store in S3, or in a server that speaks its protocol and honours conditional puts.
//
// Every attempt of ours is one request: the SDK's own retries would hide that a conditional put which "lost" had lost to an earlier
// attempt of itself, whose answer never came.
type bucket struct {
	client  *s3.Client
	bucket  string
	prefix  string // "" or ending in a slash
	url     string
	timeout time.Duration
	retries retry.IsErrorRetryables
	cache   *cache
}

const (
	// attempts of one request, from 50 ms to 5 s apart: some 10 s of a server that is away.
	attempts         = 8
	firstRetry       = 50 * time.Millisecond
	longestRetry     = 5 * time.Second
	defaultTimeout   = 15 * time.Second
	defaultCacheSize = 10 << 30
	defaultCacheHold = 15 * time.Minute
)

func openS3(ctx context.Context, url string, opt Options) (Store, error) {
	name, prefix, _ := strings.Cut(strings.TrimPrefix(url, "s3://"), "/")
	prefix = strings.Trim(prefix, "/")
	if name == "" {
		return nil, fmt.Errorf("open lake %q: no bucket", url)
	}
	if prefix != "" {
		if err := checkKey(prefix); err != nil {
			return nil, fmt.Errorf("open lake %q: %w", url, err)
		}
		prefix += "/"
	}
	if opt.Timeout <= 0 {
		opt.Timeout = defaultTimeout
	}
	client, err := s3Client(ctx, opt)
	if err != nil {
		return nil, fmt.Errorf("open lake %q: %w", url, err)
	}
	if opt.CacheDir == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			dir = os.TempDir()
		}
		opt.CacheDir = filepath.Join(dir, "caudal", "objects")
	}
	if opt.MaxCacheBytes <= 0 {
		opt.MaxCacheBytes = defaultCacheSize
	}
	if opt.CacheHold <= 0 {
		opt.CacheHold = defaultCacheHold
	}
	cache, err := openCache(opt.CacheDir, opt.MaxCacheBytes, opt.CacheHold)
	if err != nil {
		return nil, fmt.Errorf("open lake %q: %w", url, err)
	}
	return &bucket{
		client: client, bucket: name, prefix: prefix, url: strings.TrimSuffix("s3://"+name+"/"+prefix, "/"),
		timeout: opt.Timeout, retries: retry.DefaultRetryables, cache: cache,
	}, nil
}

func s3Client(ctx context.Context, opt Options) (*s3.Client, error) {
	load := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = 64
			t.ResponseHeaderTimeout = opt.Timeout
		})),
	}
	if opt.Region != "" {
		load = append(load, config.WithRegion(opt.Region))
	}
	if opt.AccessKey != "" {
		load = append(load, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(opt.AccessKey, opt.SecretKey, "")))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		if opt.Endpoint != "" {
			o.BaseEndpoint = aws.String(opt.Endpoint)
		}
		o.UsePathStyle = opt.PathStyle || opt.Endpoint != ""
	}), nil
}

// URL names bucket and prefix.
func (b *bucket) URL() string { return b.url }

func (b *bucket) key(key string) *string { return aws.String(b.prefix + key) }

// Get reads the object.
func (b *bucket) Get(ctx context.Context, key string) ([]byte, string, error) {
	if err := checkKey(key); err != nil {
		return nil, "", err
	}
	var data bytes.Buffer
	var tag string
	err := b.try(ctx, 0, func(ctx context.Context) (err error) {
		data.Reset()
		tag, err = b.download(ctx, key, &data)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("get %s: %w", key, err)
	}
	return data.Bytes(), tag, nil
}

// Create puts with If-None-Match.
func (b *bucket) Create(ctx context.Context, key string, data []byte) (string, error) {
	return b.put(ctx, "create", key, data, &s3.PutObjectInput{IfNoneMatch: aws.String("*")}, ErrExists)
}

// Swap puts with If-Match.
func (b *bucket) Swap(ctx context.Context, key string, data []byte, tag string) (string, error) {
	if tag == "" { // to S3 an empty header is none, and the put would be unconditional
		return "", fmt.Errorf("swap %s: no tag: %w", key, ErrChanged)
	}
	return b.put(ctx, "swap", key, data, &s3.PutObjectInput{IfMatch: aws.String(tag)}, ErrChanged)
}

// Put puts without a condition.
func (b *bucket) Put(ctx context.Context, key string, data []byte) error {
	_, err := b.put(ctx, "put", key, data, &s3.PutObjectInput{}, nil)
	return err
}

// put puts until there is an answer. After an attempt whose answer never came the condition may fail because of that very attempt: what
// stands is then read back, and if it is ours, the put has succeeded. Another writer's later swap can hide that; it is then
// reported as lost, which is safe: nobody acts on a put that failed.
func (b *bucket) put(ctx context.Context, verb, key string, data []byte, in *s3.PutObjectInput, lost error) (string, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	in.Bucket, in.Key, in.ContentLength = &b.bucket, b.key(key), aws.Int64(int64(len(data)))
	var tag string
	unsure := false
	err := b.try(ctx, len(data), func(ctx context.Context) error {
		in.Body = bytes.NewReader(data)
		out, err := b.client.PutObject(ctx, in)
		if err == nil {
			tag = aws.ToString(out.ETag)
			return nil
		}
		switch status := statusOf(err); {
		case lost != nil && (status == http.StatusPreconditionFailed || status == http.StatusNotFound && !isElsewhere(err)):
			if !unsure {
				return lost
			}
			var standing bytes.Buffer
			standingTag, readErr := b.download(ctx, key, &standing)
			if readErr == nil && bytes.Equal(standing.Bytes(), data) {
				tag = standingTag
				return nil
			}
			if readErr != nil && !errors.Is(readErr, ErrNotFound) {
				return readErr
			}
			return lost
		case status == 0 || status >= 500:
			unsure = true
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", verb, key, err)
	}
	return tag, nil
}

// Delete removes the object; S3 says nothing about one that is missing.
func (b *bucket) Delete(ctx context.Context, key string) error {
	if err := checkKey(key); err != nil {
		return err
	}
	err := b.try(ctx, 0, func(ctx context.Context) error {
		_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.bucket, Key: b.key(key)})
		return missing(err)
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// List lists page by page.
func (b *bucket) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return b.ListFrom(ctx, prefix, "")
}

// ListFrom lists page by page, beginning behind after.
func (b *bucket) ListFrom(ctx context.Context, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: b.key(prefix)}
		if after != "" {
			in.StartAfter = b.key(after)
		}
		for {
			var page *s3.ListObjectsV2Output
			err := b.try(ctx, 0, func(ctx context.Context) (err error) {
				page, err = b.client.ListObjectsV2(ctx, in)
				return err
			})
			if err != nil {
				yield(Object{}, fmt.Errorf("list %s: %w", prefix, err))
				return
			}
			for _, o := range page.Contents {
				object := Object{
					Key:      strings.TrimPrefix(aws.ToString(o.Key), b.prefix),
					Size:     aws.ToInt64(o.Size),
					Modified: aws.ToTime(o.LastModified).UTC(),
				}
				if strings.HasSuffix(object.Key, "/") { // a folder that some tool made
					continue
				}
				if !yield(object, nil) {
					return
				}
			}
			if !aws.ToBool(page.IsTruncated) {
				return
			}
			in.ContinuationToken = page.NextContinuationToken
		}
	}
}

// Fetch returns the object's file in the cache, which is named by the SHA-256 and so never stale.
func (b *bucket) Fetch(ctx context.Context, key, sum string) (string, error) {
	if err := checkKey(key); err != nil {
		return "", err
	}
	return b.cache.get(ctx, key, sum, func(file *os.File) error {
		err := b.try(ctx, 0, func(ctx context.Context) error {
			if _, err := file.Seek(0, io.SeekStart); err != nil {
				return err
			}
			if err := file.Truncate(0); err != nil {
				return err
			}
			_, err := b.download(ctx, key, file)
			return err
		})
		if err != nil {
			return fmt.Errorf("fetch %s: %w", key, err)
		}
		return nil
	})
}

// download copies the object to w. It is given up when no byte came for the time of one attempt, however long the whole takes.
func (b *bucket) download(ctx context.Context, key string, w io.Writer) (tag string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(b.timeout, func() { cancel(fmt.Errorf("no data for %s: %w", b.timeout, os.ErrDeadlineExceeded)) })
	defer stalled.Stop()
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.bucket, Key: b.key(key)})
	if err != nil {
		return "", missing(causeOf(ctx, err))
	}
	defer out.Body.Close()
	if _, err := io.Copy(w, &watched{out.Body, func() { stalled.Reset(b.timeout) }}); err != nil {
		return "", causeOf(ctx, err)
	}
	return aws.ToString(out.ETag), nil
}

// errBroken says that an answer ended before it was whole.
var errBroken = errors.New("answer broke off")

// watched tells of every read that brought something, and marks the errors of reading, which pass, apart from those of writing.
type watched struct {
	io.Reader
	progress func()
}

// Read reads and tells.
func (r *watched) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.progress()
	}
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", errBroken, err)
	}
	return n, err
}

// causeOf puts a context's cause in the place of the error that its end brought about.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// try calls once, and again with back-off as long as the error is one that passes. size > 0: bytes sent, which bound the time of an attempt.
func (b *bucket) try(ctx context.Context, size int, once func(context.Context) error) error {
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval, waits.Multiplier = firstRetry, longestRetry, 2
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		attempt, cancel := ctx, context.CancelFunc(func() {})
		if size > 0 {
			attempt, cancel = context.WithTimeout(ctx, b.timeout+time.Duration(size>>20)*time.Second)
		}
		defer cancel()
		err := once(attempt)
		if err != nil && !b.passes(ctx, err) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(waits), backoff.WithMaxTries(attempts))
	return err
}

// passes says whether another attempt can go better.
func (b *bucket) passes(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) || errors.Is(err, ErrChanged) {
		return false
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errBroken) {
		return true
	}
	switch status := statusOf(err); {
	case status == http.StatusConflict: // two conditional puts at once: neither may have won yet
		return true
	case status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout:
		return true
	}
	return b.retries.IsErrorRetryable(err) == aws.TrueTernary
}

// statusOf is the HTTP status of an answer; 0 if there was none.
func statusOf(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// isElsewhere says whether what is missing is not the object: the bucket, or (versitygw) whoever has the access key.
func isElsewhere(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "NoSuchBucket" || api.ErrorCode() == "XAdminUserNotFound")
}

// missing maps S3's ways to say that there is no such object.
func missing(err error) error {
	if err != nil && statusOf(err) == http.StatusNotFound && !isElsewhere(err) {
		return ErrNotFound
	}
	return err
}
