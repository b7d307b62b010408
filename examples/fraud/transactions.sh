#!/bin/sh
# Prints the path of a CSV file with the example's transactions: the file that FRAUD_DATA names (gzipped or not, with the columns of the public
# simulator), or the one beside the repository; and where there is none, a file that generate.py writes. Arguments go to generate.py.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=${FRAUD_DATA:-$here/../../../shared/data/fraud-transactions/transactions.csv.gz}
if [ -f "$data" ]; then
	echo "$data"
	exit
fi
echo "there is no $data: the transactions are generated" >&2
mkdir -p "$here/.caudal"
python3 "$here/generate.py" "$@" >"$here/.caudal/generated.csv"
echo "$here/.caudal/generated.csv"
