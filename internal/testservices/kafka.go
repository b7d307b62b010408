package testservices

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kafkaStart bounds how long Kafka may take to be ready: seconds on a quiet machine, far more on a busy one.
const kafkaStart = 90 * time.Second

// KafkaServer is Apache Kafka: one node that is broker and controller.
type KafkaServer struct {
	*process
	addr string
}

// StartKafka starts Apache Kafka with an empty log and waits until it serves, groups and producers included.
func StartKafka() (*KafkaServer, error) {
	return startKafka(func(string, int, int) (kafkaSetup, error) { return kafkaSetup{}, nil })
}

// kafkaSetup is what a Kafka has beside the usual.
type kafkaSetup struct {
	properties []string // of server.properties; they win
	format     []string // arguments for formatting its storage
}

func startKafka(setUp func(dir string, port, controller int) (kafkaSetup, error)) (*KafkaServer, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	controller, err := freePort()
	if err != nil {
		return nil, err
	}
	k, err := prepareKafka(port, controller, "-Xmx512m", setUp)
	if err != nil {
		return nil, err
	}
	if err := k.Restart(); err != nil {
		k.Stop()
		return nil, err
	}
	return k, nil
}

// prepareKafka makes a Kafka with formatted storage that is yet to be started; heap is the option of its machine.
func prepareKafka(port, controller int, heap string, setUp func(dir string, port, controller int) (kafkaSetup, error)) (*KafkaServer, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	jars := filepath.Join(root, ".services", "kafka")
	if real, err := filepath.EvalSymlinks(jars); err == nil {
		jars = real // as the archive of its classes names them
	}
	if found, _ := filepath.Glob(filepath.Join(jars, "kafka_2.13-*.jar")); len(found) == 0 {
		return nil, fmt.Errorf("kafka: %w: no jars in %s", ErrNotInstalled, jars)
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, fmt.Errorf("kafka: java: %w", ErrNotInstalled)
	}
	p, err := newProcess("kafka")
	if err != nil {
		return nil, err
	}
	setup, err := setUp(p.dir, port, controller)
	if err != nil {
		return nil, err
	}
	props := filepath.Join(p.dir, "server.properties")
	lines := append(kafkaProperties(p.dir, port, controller), setup.properties...)
	if err := os.WriteFile(props, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		return nil, err
	}
	jvm := []string{java, heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.io.tmpdir=" + p.dir, "-cp", filepath.Join(jars, "*")}
	if archive := filepath.Join(jars, "classes.jsa"); exists(archive) {
		jvm = slices.Insert(jvm, 1, "-XX:SharedArchiveFile="+archive)
	}
	format := exec.Command(jvm[0], slices.Concat(jvm[1:], []string{"kafka.tools.StorageTool", "format", "-t", "caudalcaudalcaudalcaud", "-c", props}, setup.format)...)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format kafka's storage: %w: %s", err, out)
	}
	p.args = append(jvm, "kafka.Kafka", props)
	return &KafkaServer{process: p, addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Brokers returns its address as host:port. It stays the same over Kill and Restart.
func (k *KafkaServer) Brokers() []string { return []string{k.addr} }

// Restart starts it again after Kill, on the same log, and waits until it serves.
func (k *KafkaServer) Restart() error {
	if err := k.start(); err != nil {
		return err
	}
	return k.await(kafkaStart, k.ready)
}

func kafkaProperties(dir string, port, controller int) []string {
	return []string{
		"process.roles=broker,controller",
		"node.id=1",
		fmt.Sprintf("controller.quorum.voters=1@127.0.0.1:%d", controller),
		fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", port, controller),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://127.0.0.1:%d", port),
		"controller.listener.names=CONTROLLER",
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"inter.broker.listener.name=PLAINTEXT",
		"log.dirs=" + filepath.Join(dir, "log"),
		"auto.create.topics.enable=false",
		"message.max.bytes=16777216",
		// records of the past, with the timestamps that they had, are to stay until a test takes them
		"log.retention.ms=-1",
		// one of each internal topic's partitions, or the first group waits while fifty are made
		"offsets.topic.num.partitions=1",
		"offsets.topic.replication.factor=1",
		"transaction.state.log.num.partitions=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"share.coordinator.state.topic.num.partitions=1",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"group.initial.rebalance.delay.ms=0",
		"group.min.session.timeout.ms=1000",
	}
}

// ready asks for a group's coordinator and for a producer id. Both fail while Kafka makes its internal topics, which
// begins with the first such question.
func (k *KafkaServer) ready() error {
	const findCoordinator, initProducerID = 10, 22
	group := binary.BigEndian.AppendUint16(nil, uint16(len("warm-up")))
	answer, err := k.ask(findCoordinator, append(group, "warm-up"...))
	if err != nil {
		return err
	}
	if code := int16(binary.BigEndian.Uint16(answer)); code != 0 {
		return fmt.Errorf("group coordinator: error code %d", code)
	}
	producer := binary.BigEndian.AppendUint32([]byte{0xff, 0xff}, 60_000) // no transaction; a time limit
	if answer, err = k.ask(initProducerID, producer); err != nil {
		return err
	}
	if code := int16(binary.BigEndian.Uint16(answer[4:])); code != 0 {
		return fmt.Errorf("producer id: error code %d", code)
	}
	return nil
}

// ask sends version 0 of a request and returns the body of the answer, of 6 bytes at least. It is all that is needed of
// Kafka's protocol here, so that this package can serve the tests of the package that speaks it.
func (k *KafkaServer) ask(api uint16, body []byte) ([]byte, error) {
	c, err := net.DialTimeout("tcp", k.addr, time.Second)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	b := binary.BigEndian.AppendUint32(nil, uint32(2+2+4+2+len(body)))
	b = binary.BigEndian.AppendUint16(b, api)
	b = append(b, 0, 0, 0, 0, 0, 1, 0, 0) // version 0, request 1, no client id
	if _, err := c.Write(append(b, body...)); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:])) - 4
	if n < 6 || n > 1<<16 {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	answer := make([]byte, n)
	_, err = io.ReadFull(c, answer)
	return answer, err
}
