#!/bin/sh
# Installs what the tests with real services need: redis-server and Apache Kafka's jars (into .services/kafka); what checks infra/:
# promtool and systemd-analyze; and what checks the HTTP API: schemathesis (into .services/schemathesis).
# Needs java, mvn and python3. Does nothing where everything is there already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
version=$(sed -n '/<artifactId>kafka_2.13</,/<version>/s:.*<version>\(.*\)</version>.*:\1:p' "$here/pom.xml")

missing=
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v promtool >/dev/null || missing="$missing prometheus"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
	sudo=
	[ "$(id -u)" = 0 ] || sudo=sudo
	$sudo apt-get update -qq
	# shellcheck disable=SC2086 # several packages
	$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

jars="$root/.services/kafka"
if [ ! -f "$jars/kafka_2.13-$version.jar" ]; then
	rm -rf "$jars" "$jars.new"
	mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars.new"
	mv "$jars.new" "$jars" # in one step: a folder with some of the jars would look installed
fi

venv="$root/.services/schemathesis"
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
	rm -rf "$venv"
	python3 -m venv "$venv"
	"$venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"
	cp "$here/requirements.txt" "$venv/requirements.txt" # last: a folder with some of the packages would look installed
fi
