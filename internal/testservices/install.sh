#!/bin/sh
# Installs what the tests with real services need: redis-server and Apache Kafka's jars (into .services/kafka); and what checks infra/:
# promtool and systemd-analyze.
# Needs java and mvn. Does nothing where everything is there already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
version=$(sed -n '/<artifactId>kafka_2.13</,/<version>/s:.*<version>\(.*\)</version>.*:\1:p' "$here/pom.xml")

missing=
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v promtool >/dev/null || missing="$missing prometheus"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
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
