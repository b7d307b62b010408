"""Raw DuckDB over the segments of `make bench-peers`: duck.py TASK, where TASK is the JSON that benchmarks/peers.go writes."""

import json
import os
import sys
import time

import duckdb

GUARANTEES = "reads whatever the files hold: no checksums, no history of answers, nothing that merges"

QUERIES = {
    "by_country": "epoch_us(date_trunc('minute', ts)) AS t, country AS k, count(*) AS events, sum(quantity * unit_price) AS revenue, count(DISTINCT user_id) AS users",
    "by_product": "epoch_us(date_trunc('hour', ts)) AS t, product AS k, count(*) AS events, sum(quantity * unit_price) AS revenue, NULL AS users",
    "by_user": "epoch_us(date_trunc('minute', ts)) AS t, user_id AS k, count(*) AS events, sum(quantity * unit_price) AS revenue, NULL AS users",
    "spread": "epoch_us(date_trunc('day', ts)) AS t, country AS k, count(*) AS events, NULL AS revenue, quantile_disc((quantity * unit_price)::DOUBLE, 0.95) AS users",
}


def main():
    task = json.loads(sys.argv[1])
    con = duckdb.connect(config={"memory_limit": "3GB", "temp_directory": task["dir"], "preserve_insertion_order": "false"})
    con.sql("SET TimeZone = 'UTC'")
    files = "read_parquet([" + ", ".join(f"'{path}'" for path in task["files"]) + "])"
    began = time.time()
    for view in task["views"]:
        con.sql(f"COPY (SELECT {QUERIES[view]} FROM {files} WHERE NOT _duplicate GROUP BY 1, 2 ORDER BY 1, 2) TO '{task['dir']}/{view}.parquet'")
    seconds = time.time() - began
    for view in task["views"]:
        os.makedirs(os.path.join(task["out"], view))
        con.sql(f"COPY (FROM '{task['dir']}/{view}.parquet') TO '{task['out']}/{view}/rows.csv' (HEADER false)")
    print(json.dumps({"version": duckdb.__version__, "seconds": seconds, "guarantees": GUARANTEES}))


main()
