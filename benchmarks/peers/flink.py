"""Flink SQL over the topic of `make bench-peers`: flink.py TASK, where TASK is the JSON that benchmarks/peers.go writes."""

import glob
import json
import os
import sys
import time

PARALLELISM = 2
CHECKPOINT = "10 s"
GUARANTEES = f"checkpoints every {CHECKPOINT} to local disk, state on the heap, each window once, when it is over"

QUERIES = {
    "by_country": "SELECT {start}, country, COUNT(*), SUM(quantity * unit_price), COUNT(DISTINCT user_id) FROM {minutes} GROUP BY window_start, window_end, country",
    "by_product": "SELECT {start}, product, COUNT(*), SUM(quantity * unit_price), CAST(NULL AS BIGINT) FROM {hours} GROUP BY window_start, window_end, product",
    "by_user": "SELECT {start}, user_id, COUNT(*), SUM(quantity * unit_price), CAST(NULL AS BIGINT) FROM {minutes} GROUP BY window_start, window_end, user_id",
}


def environment(task):
    from pyflink.table import EnvironmentSettings, TableEnvironment

    t = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    for name, value in {
        "parallelism.default": str(PARALLELISM),
        "pipeline.jars": ";".join("file://" + jar for jar in sorted(glob.glob(os.path.join(task["jars"], "*.jar")))),
        "pipeline.object-reuse": "true",
        "state.backend.type": "hashmap",
        "execution.checkpointing.interval": CHECKPOINT,
        "execution.checkpointing.dir": "file://" + os.path.join(task["dir"], "checkpoints"),
        "table.exec.state.ttl": "1 h",
        "table.local-time-zone": "UTC",
    }.items():
        t.get_config().set(name, value)
    return t


def read(t, task, name, ends):
    """Declares the topic up to an offset of each partition as a table of that name."""
    offsets = ";".join(f"partition:{p},offset:{end}" for p, end in enumerate(ends))
    t.execute_sql(f"""CREATE TABLE {name} (
        id STRING, ts BIGINT, user_id STRING, country STRING, product STRING, quantity BIGINT, unit_price DECIMAL(12, 2), channel STRING,
        arrived AS PROCTIME(), t AS TO_TIMESTAMP_LTZ(ts / 1000, 3), WATERMARK FOR t AS t - INTERVAL '10' SECOND
    ) WITH ('connector' = 'kafka', 'format' = 'json', 'topic' = '{task["topic"]}', 'properties.bootstrap.servers' = '{task["brokers"]}',
        'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = '{offsets}')""")


def run(t, task, name, ends, out):
    """Runs the queries of the task to the end of a table, and says how many seconds that took."""
    read(t, task, name, ends)
    if task["dedup"]:
        t.execute_sql(f"""CREATE TEMPORARY VIEW {name}_once AS SELECT user_id, country, product, quantity, unit_price, t FROM
            (SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY arrived) AS n FROM {name}) WHERE n = 1""")
    rows = name + "_once" if task["dedup"] else name
    windows = lambda size: f"TABLE(TUMBLE(TABLE {rows}, DESCRIPTOR(t), INTERVAL {size}))"
    statements = t.create_statement_set()
    for view in task["views"]:
        t.execute_sql(f"""CREATE TABLE {name}_{view} (t BIGINT, k STRING, events BIGINT, revenue DECIMAL(38, 2), users BIGINT)
            WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = 'file://{out}/{view}')""")
        sql = QUERIES[view].format(start="UNIX_TIMESTAMP(CAST(window_start AS STRING)) * 1000000", minutes=windows("'1' MINUTE"), hours=windows("'1' HOUR"))
        statements.add_insert_sql(f"INSERT INTO {name}_{view} {sql}")
    began = time.time()
    statements.execute().wait()
    return time.time() - began


def main():
    task = json.loads(sys.argv[1])
    import pyflink.version

    os.environ["JDK_JAVA_OPTIONS"] = "-Xmx3g"
    t = environment(task)
    run(t, task, "warm", task["warm"], os.path.join(task["dir"], "warm"))  # so that neither classes nor their compilation are measured
    seconds = run(t, task, "events", task["ends"], task["out"])
    print(json.dumps({"version": pyflink.version.__version__, "seconds": seconds, "guarantees": GUARANTEES}))


main()
