package testservices

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// trinoStart bounds how long Trino may take to be ready: 10 s on a quiet machine.
const trinoStart = 4 * time.Minute

// TrinoServer is Trino: one node that is coordinator and worker, with a catalog `lake` of the Hive connector and a catalog `iceberg` of the
// Iceberg connector, whose metastores are folders.
type TrinoServer struct {
	*process
	URL     string // http://host:port
	Catalog string
}

// FolderLocation is how Trino names a folder of this machine.
func (*TrinoServer) FolderLocation(dir string) string { return "local://" + dir }

// StartTrino starts Trino and waits until it answers queries. s3 may be nil.
func StartTrino(s3 *S3Server) (*TrinoServer, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(root, ".services", "trino")
	java := filepath.Join(home, "java", "bin", "java")
	for _, part := range []string{java, filepath.Join(home, "plugin", "hive"), filepath.Join(home, "plugin", "iceberg")} {
		if _, err := os.Stat(part); err != nil {
			return nil, fmt.Errorf("trino: %w: no %s", ErrNotInstalled, part)
		}
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := newProcess("trino")
	if err != nil {
		return nil, err
	}
	for name, lines := range trinoFiles(p.dir, home, port, s3) {
		path := filepath.Join(p.dir, "etc", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644)); err != nil {
			return nil, err
		}
	}
	if err := os.Mkdir(filepath.Join(p.dir, "secrets-plugin"), 0o755); err != nil {
		return nil, err
	}
	p.args = []string{java, "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.io.tmpdir=" + p.dir, "--enable-native-access=ALL-UNNAMED",
		"-Djdk.attach.allowAttachSelf=true", "-Dconfig=" + filepath.Join(p.dir, "etc", "config.properties"), "-Dlog.levels-file=" + filepath.Join(p.dir, "etc", "log.properties"),
		"-Dnode.environment=test", "-Dnode.id=caudal", "-Dnode.data-dir=" + filepath.Join(p.dir, "data"),
		"-cp", filepath.Join(home, "lib", "*"), "io.trino.server.TrinoServer"}
	s := &TrinoServer{process: p, URL: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Catalog: "lake"}
	if err := s.Restart(); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// Restart starts it again after Kill, and waits until it answers queries.
func (s *TrinoServer) Restart() error {
	if err := s.start(); err != nil {
		return err
	}
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	return s.await(trinoStart, func() error {
		r, err := client.Get(s.URL + "/v1/info")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		info := struct {
			Starting bool `json:"starting"`
		}{true}
		if err := json.NewDecoder(r.Body).Decode(&info); err != nil || info.Starting {
			return fmt.Errorf("it is starting still (%w)", errors.Join(err, ErrNotReady))
		}
		return s.answers(client)
	})
}

// answers asks a query: a node that has started is none to itself for a moment, and has nobody who would run one.
func (s *TrinoServer) answers(client *http.Client) error {
	request, err := http.NewRequest(http.MethodPost, s.URL+"/v1/statement", strings.NewReader("SELECT 1"))
	for err == nil {
		request.Header.Set("X-Trino-User", "caudal")
		page := struct {
			NextURI string `json:"nextUri"`
			Error   struct {
				ErrorName string `json:"errorName"`
			} `json:"error"`
		}{}
		var r *http.Response
		if r, err = client.Do(request); err != nil {
			return err
		}
		err = errors.Join(json.NewDecoder(r.Body).Decode(&page), r.Body.Close())
		switch {
		case err != nil:
		case page.Error.ErrorName != "":
			return fmt.Errorf("it answers %s (%w)", page.Error.ErrorName, ErrNotReady)
		case page.NextURI == "":
			return nil
		default:
			request, err = http.NewRequest(http.MethodGet, page.NextURI, nil)
		}
	}
	return err
}

// ErrNotReady: a service answers, and not yet to what it is for.
var ErrNotReady = errors.New("not ready")

func trinoFiles(dir, home string, port int, s3 *S3Server) map[string][]string {
	hive := []string{
		"connector.name=hive",
		"hive.metastore=file",
		"hive.metastore.catalog.dir=local://" + filepath.Join(dir, "metastore"),
		"hive.timestamp-precision=MICROSECONDS",
		"hive.partition-projection-enabled=true",
	}
	iceberg := []string{
		"connector.name=iceberg",
		"iceberg.catalog.type=TESTING_FILE_METASTORE",
		"hive.metastore.catalog.dir=local://" + filepath.Join(dir, "iceberg"),
		"iceberg.register-table-procedure.enabled=true",
	}
	files := []string{"fs.native-local.enabled=true", "local.location=/"}
	if s3 != nil {
		files = append(files, "fs.native-s3.enabled=true", "s3.endpoint="+s3.Endpoint, "s3.region="+s3.Region, "s3.path-style-access=true",
			"s3.aws-access-key="+s3.AccessKey, "s3.aws-secret-key="+s3.SecretKey)
	}
	return map[string][]string{
		"catalog/lake.properties":    append(hive, files...),
		"catalog/iceberg.properties": append(iceberg, files...),
		"log.properties":             {"io.trino=WARN", "io.airlift=WARN", "Bootstrap=WARN"},
		"config.properties": {
			"coordinator=true",
			"node-scheduler.include-coordinator=true",
			"http-server.http.port=" + strconv.Itoa(port),
			"discovery.uri=http://127.0.0.1:" + strconv.Itoa(port),
			"catalog.management=dynamic", // a static catalog has no node in the first seconds, until the server has heard of itself
			"plugin.dir=" + filepath.Join(home, "plugin"),
			"query.max-memory=400MB",
			"query.max-memory-per-node=400MB",
			"memory.heap-headroom-per-node=200MB",
		},
	}
}
