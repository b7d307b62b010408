#!/bin/sh
# Installs what `make bench-peers` compares caudal with into .services/peers: Flink, Spark, DuckDB and polars in a Python of their own, and the
# Kafka connectors of the first two. 1.4 GB. Needs java, mvn, and python3 with venv. Does nothing where all is there already. A machine that cannot
# reach the registries goes without, unless it is CI's.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
home="$(cd "$here/../.." && pwd)/.services/peers"
wanted=$(cat "$here/requirements.txt" "$here/flink/pom.xml" "$here/spark/pom.xml" | cksum)
if [ "$(cat "$home/version" 2>/dev/null)" = "$wanted" ]; then
	exit 0
fi
install_peers() {
	rm -rf "$home"
	mkdir -p "$home"
	python3 -m venv "$home/python" || return 1
	"$home/python/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" || return 1
	for system in flink spark; do
		# what either has itself is left out
		mvn -q -B -f "$here/$system/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DexcludeGroupIds=org.scala-lang,org.apache.hadoop,org.slf4j -DoutputDirectory="$home/$system" || return 1
	done
	echo "$wanted" >"$home/version" # last: a folder with some of it would look installed
}
if ! install_peers; then
	rm -rf "$home"
	[ "${CI:-}" != true ] || exit 1
	echo "what caudal is compared with could not be installed: make bench-peers measures nothing without it" >&2
fi
