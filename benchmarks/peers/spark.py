"""Spark Structured Streaming over the topic of `make bench-peers`: spark.py TASK, where TASK is the JSON that benchmarks/peers.go writes."""

import glob
import json
import os
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

CORES = 2
PER_TRIGGER = 500_000  # records that one micro-batch takes
ERROR = 1.04 / 4096**0.5  # of distinct counts: that of caudal's 4,096 registers, as a stream has no exact ones
SCHEMA = "id STRING, ts BIGINT, user_id STRING, country STRING, product STRING, quantity BIGINT, unit_price DECIMAL(12, 2), channel STRING"
GUARANTEES = f"a checkpoint on local disk for each micro-batch of {PER_TRIGGER:,} records, state on the heap and as files, windows that changed are written again after each (once per event id: each window once, when it is over)"

COLUMNS = ["events", "revenue", "users"]


def aggregates(view):
    """The size of a view's windows, its dimension, and its columns."""
    revenue, nothing = f.sum(f.expr("quantity * unit_price")), f.first(f.lit(None).cast("bigint"))
    return {
        "by_country": ("1 minute", "country", [f.count("*"), revenue, f.approx_count_distinct("user_id", ERROR)]),
        "by_product": ("1 hour", "product", [f.count("*"), revenue, nothing]),
        "by_user": ("1 minute", "user_id", [f.count("*"), revenue, nothing]),
        "spread": ("1 day", "country", [f.count("*"), nothing, f.expr("percentile_approx(quantity * unit_price, 0.95, 1000)")]),
    }[view]


def start(spark, task, ends, view, into):
    """Starts the query of a view, up to an offset of each partition."""
    size, key, columns = aggregates(view)
    records = (
        spark.readStream.format("kafka").option("kafka.bootstrap.servers", task["brokers"]).option("subscribe", task["topic"])
        .option("startingOffsets", "earliest").option("maxOffsetsPerTrigger", PER_TRIGGER).load()
    )
    # where windows come out once they are over, what stands behind the events ends the last of them
    closing = [f" OR offset >= {end}" if task["dedup"] else "" for end in task["ends"]]
    records = records.where(" OR ".join(f"(partition = {p} AND (offset < {end}{closing[p]}))" for p, end in enumerate(ends)))
    rows = records.select(f.from_json(f.col("value").cast("string"), SCHEMA).alias("e")).select("e.*").withColumn("t", f.expr("timestamp_micros(ts)"))
    rows = rows.withWatermark("t", "1 minute")
    if task["dedup"]:
        rows = rows.dropDuplicatesWithinWatermark(["id"])  # which Spark lets an aggregate follow in append mode only
    windows = rows.groupBy(f.window("t", size).alias("w"), f.col(key).alias("k")).agg(*(a.alias(name) for a, name in zip(columns, COLUMNS)))
    result = windows.select(f.expr("unix_micros(w.start)").alias("t"), "k", *COLUMNS)

    def write(batch, n):
        batch.withColumn("n", f.lit(n)).write.mode("append").parquet(os.path.join(into, view))

    return (
        result.writeStream.outputMode("append" if task["dedup"] else "update").option("checkpointLocation", os.path.join(into, "checkpoint-" + view))
        .trigger(availableNow=True).foreachBatch(write).start()
    )


def run(spark, task, ends, into):
    """Runs all queries side by side to the end, and says how many seconds that took."""
    began = time.time()
    queries = [start(spark, task, ends, view, into) for view in task["views"]]
    for q in queries:
        q.awaitTermination()
    return time.time() - began


def main():
    task = json.loads(sys.argv[1])
    spark = (
        SparkSession.builder.master(f"local[{CORES}]").appName("caudal-bench").config("spark.driver.memory", "3g")
        .config("spark.jars", ",".join(sorted(glob.glob(os.path.join(task["jars"], "*.jar"))))).config("spark.sql.shuffle.partitions", CORES)
        .config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false").getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    run(spark, task, task["warm"], os.path.join(task["dir"], "warm"))  # so that neither classes nor their compilation are measured
    into = os.path.join(task["dir"], "answers")
    seconds = run(spark, task, task["ends"], into)
    for view in task["views"]:  # what stands last of each window, for the comparison
        rows = spark.read.parquet(os.path.join(into, view)).where("k <> 'closing'")
        last = rows.groupBy("t", "k").agg(*(f.max_by(c, "n").alias(c) for c in COLUMNS))
        last.coalesce(1).write.csv(os.path.join(task["out"], view))
    print(json.dumps({"version": spark.version, "seconds": seconds, "guarantees": GUARANTEES}))


main()
