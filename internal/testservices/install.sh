#!/bin/sh
# Installs what the tests with real services need: redis-server and Apache Kafka's jars (into .services/kafka); what checks infra/:
# promtool, systemd-analyze and buildah; what checks the HTTP API: schemathesis (into .services/schemathesis); what checks the page: chromium, and axe-core (into .services/axe); what examples/fraud trains its model with (into .services/fraud);
# what asks in SQL: psql, psycopg, SQLAlchemy and pandas (into .services/sql);
# the engines that read the lake: DuckDB, pandas, polars and PySpark (into .services/readers), with Spark's Iceberg runtime (into .services/iceberg);
# and Trino, with the Java that it wants (into .services/trino), by install-trino.sh.
# Needs java, mvn, python3 and npm. Does nothing where everything is there already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

# One at a time: two would take half-made folders from each other. Who comes second waits, and finds everything there.
mkdir -p "$root/.services"
exec 9>"$root/.services/install.lock"
flock 9

. "$here/again.sh"
version=$(sed -n '/<artifactId>kafka_2.13</,/<version>/s:.*<version>\(.*\)</version>.*:\1:p' "$here/pom.xml")

missing=
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v promtool >/dev/null || missing="$missing prometheus"
command -v psql >/dev/null || missing="$missing postgresql-client"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v buildah >/dev/null || missing="$missing buildah"
command -v chromium >/dev/null || missing="$missing chromium fonts-dejavu-core"
command -v npm >/dev/null || missing="$missing npm"
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
python3 -m pip --version >/dev/null 2>&1 || missing="$missing python3-pip"
if [ -n "$missing" ]; then
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	again $sudo apt-get update -qq
	# shellcheck disable=SC2086 # several packages
	again $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

jars="$root/.services/kafka"
if [ ! -f "$jars/kafka_2.13-$version.jar" ]; then
	rm -rf "$jars" "$jars.new"
	again mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars.new"
	mv "$jars.new" "$jars" # in one step: a folder with some of the jars would look installed
fi
sh "$here/archive-kafka.sh"

# venv makes a folder of .services with the Python packages of a file.
venv() {
	if ! cmp -s "$2" "$root/.services/$1/requirements.txt"; then
		rm -rf "$root/.services/$1"
		python3 -m venv "$root/.services/$1"
		again "$root/.services/$1/bin/pip" install -q --disable-pip-version-check -r "$2"
		cp "$2" "$root/.services/$1/requirements.txt" # last: a folder with some of the packages would look installed
	fi
}
venv schemathesis "$here/requirements.txt"
venv fraud "$root/examples/fraud/requirements.txt"
venv readers "$here/readers-requirements.txt"
venv sql "$here/sql-requirements.txt"

axe=4.14.1
if ! grep -qs "\"version\": \"$axe\"" "$root/.services/axe/node_modules/axe-core/package.json"; then
	rm -rf "$root/.services/axe" "$root/.services/axe.new"
	mkdir -p "$root/.services/axe.new"
	again npm install --silent --no-audit --no-fund --no-save --ignore-scripts --prefix "$root/.services/axe.new" "axe-core@$axe" >/dev/null
	mv "$root/.services/axe.new" "$root/.services/axe" # in one step: a folder with some of the files would look installed
fi

iceberg=iceberg-spark-runtime-3.5_2.12
if [ ! -f "$root/.services/iceberg/$iceberg-1.9.2.jar" ]; then
	rm -rf "$root/.services/iceberg" "$root/.services/iceberg.new"
	again mvn -q -B dependency:copy -Dartifact="org.apache.iceberg:$iceberg:1.9.2" -DoutputDirectory="$root/.services/iceberg.new"
	mv "$root/.services/iceberg.new" "$root/.services/iceberg" # in one step, as above
fi

sh "$here/install-trino.sh"
