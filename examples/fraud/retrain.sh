#!/bin/sh
# Trains the fraud model again: what cron calls, after the nightly batch. One at a time; safe to call again at any moment.
#   30 3 * * *  caudal  /etc/caudal/fraud/retrain.sh
# Arguments go to train.py. CAUDAL and PYTHON name the programs, RETRAIN_WORK the folder to work in.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
caudal=${CAUDAL:-caudal}
python=${PYTHON:-python3}
work=${RETRAIN_WORK:-$here/.caudal/retrain}
mkdir -p "$work"

exec 9>"$work/lock"
if ! flock -n 9; then
	echo "another training is at work"
	exit 0
fi
run() { "$caudal" --project "$here" "$@"; }
# field prints a field of a JSON text.
field() { "$python" -c 'import json, sys; print(json.loads(sys.argv[2])[sys.argv[1]])' "$1" "$2"; }

run lake compact transactions
exported=$(run export training fraud -o json)
set=$(field dir "$exported")

rm -rf "$work/model" "$work/in-use"
models=$(run models list fraud -o json)
in_use=$(field in_use "$models")
if [ -n "$in_use" ]; then
	run models fetch fraud --version "$in_use" --out "$work/in-use"
	"$python" "$here/train.py" --set "$set" --out "$work/model" --in-use "$work/in-use" --in-use-version "$in_use" "$@"
else
	"$python" "$here/train.py" --set "$set" --out "$work/model" "$@"
fi
published=$(run models publish fraud "$work/model" --training "$set" -o json)
run models promote fraud "$(field version "$published")" --by pr_auc

# The model refers to the versions of the table now; the set can be made again from its manifest, to the byte.
run export training fraud --drop "$set"
