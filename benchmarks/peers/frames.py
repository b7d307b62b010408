"""polars over the segments of `make bench-peers`: frames.py TASK, where TASK is the JSON that benchmarks/peers.go writes."""

import json
import os
import sys
import time

import polars as pl

GUARANTEES = "reads whatever the files hold: no checksums, no history of answers, nothing that merges"

amount = pl.col("quantity") * pl.col("unit_price")
revenue = amount.sum().alias("revenue")
nothing = pl.lit(None).alias
VIEWS = {
    "by_country": ("1m", "country", [revenue, pl.col("user_id").n_unique().alias("users")]),
    "by_product": ("1h", "product", [revenue, nothing("users")]),
    "by_user": ("1m", "user_id", [revenue, nothing("users")]),
    "spread": ("1d", "country", [nothing("revenue"), amount.sort().get((0.95 * pl.len()).ceil().cast(pl.Int64) - 1).alias("users")]),
}


def main():
    task = json.loads(sys.argv[1])
    files = pl.scan_parquet(task["files"]).filter(~pl.col("_duplicate"))
    began = time.time()
    for view in task["views"]:
        size, key, aggregates = VIEWS[view]
        rows = files.group_by(pl.col("ts").dt.truncate(size).alias("t"), pl.col(key).alias("k")).agg(pl.len().alias("events"), *aggregates)
        rows.sort("t", "k").sink_parquet(os.path.join(task["dir"], view + ".parquet"))
    seconds = time.time() - began
    for view in task["views"]:
        os.makedirs(os.path.join(task["out"], view))
        rows = pl.scan_parquet(os.path.join(task["dir"], view + ".parquet")).with_columns(pl.col("t").dt.epoch("us"))
        rows.sink_csv(os.path.join(task["out"], view, "rows.csv"), include_header=False)
    print(json.dumps({"version": pl.__version__, "seconds": seconds, "guarantees": GUARANTEES}))


main()
