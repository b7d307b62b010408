#!/bin/sh
# Writes the example's transactions as CSV to standard output: those of the file that FRAUD_DATA names (CSV, gzipped or not, of the public
# simulator's columns), and else those of generate.py. Arguments go to generate.py.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
data=${FRAUD_DATA:-$here/../../../shared/data/fraud-transactions/transactions.csv.gz}
if [ -z "${FRAUD_GENERATED:-}" ] && [ -f "$data" ]; then
	echo "transactions of $data" >&2
	case $data in
	*.gz) exec gzip -dc "$data" ;;
	*) exec cat "$data" ;;
	esac
fi
echo "there is no $data: generated transactions" >&2
exec python3 "$here/generate.py" "$@"
