#!/bin/sh
# Makes .services/kafka/classes.jsa, an archive of the classes that Kafka loads: a start with it takes half the computing. For that Kafka is
# started once, and stopped. Needs java, python3 and the jars. Does nothing where the archive is there already; Kafka does without it, too.
set -eu
jars=$(cd "$(dirname "$0")/../../.services/kafka" && pwd -P)
[ ! -f "$jars/classes.jsa" ] || exit 0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
ports=$(python3 -c 'import socket; a, b = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0)); print(a.getsockname()[1], b.getsockname()[1])')
broker=${ports% *} controller=${ports#* }
cat >"$dir/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$broker
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$dir/log
EOF
machine="java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"
$machine -cp "$jars/*" kafka.tools.StorageTool format -t caudalcaudalcaudalcaud -c "$dir/server.properties" >"$dir/format.txt" 2>&1 || { cat "$dir/format.txt" >&2; exit 1; }
$machine -XX:ArchiveClassesAtExit="$jars/classes.jsa.new" -cp "$jars/*" kafka.Kafka "$dir/server.properties" >"$dir/kafka.txt" 2>&1 &
kafka=$!
# it is up when it accepts connections as a broker; the archive is written when it ends
python3 - "$broker" <<'EOF' || { cat "$dir/kafka.txt" >&2; kill $kafka; exit 1; }
import socket, sys, time
for _ in range(900):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
        sys.exit()
    except OSError:
        time.sleep(0.1)
sys.exit("Kafka did not start for the archive of its classes")
EOF
kill $kafka
wait $kafka || true # it ends by the signal
mv "$jars/classes.jsa.new" "$jars/classes.jsa" # in one step, once it is whole
