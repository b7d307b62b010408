"""Asks a running caudal in SQL with the clients that people use, and says what it got: psycopg, SQLAlchemy and pandas."""
import datetime
import decimal
import sys

import pandas
import psycopg
import sqlalchemy

url = sys.argv[1]
day = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)

with psycopg.connect(url) as connection:
    for binary in (False, True):
        rows = connection.execute("SELECT time, country, revenue, lines FROM sales_1d WHERE time >= %s AND country = ANY(%s) ORDER BY country",
                                  (day, ["France", "Spain"]), binary=binary).fetchall()
        assert rows == [(day, "France", decimal.Decimal("12.50"), 2), (day, "Spain", decimal.Decimal("7.25"), 1)], rows
    rows = connection.execute("SELECT country FROM sales_1d WHERE revenue > %s", (decimal.Decimal("7.25"),)).fetchall()
    assert rows == [("France",)], rows
    try:
        connection.execute("INSERT INTO sales_1d VALUES (1)")
        raise AssertionError("an INSERT was answered")
    except psycopg.errors.ReadOnlySqlTransaction:
        connection.rollback()
    try:
        connection.execute("SELECT nothing FROM sales_1d")
        raise AssertionError("a column that does not exist was answered")
    except psycopg.errors.UndefinedColumn:
        connection.rollback()

engine = sqlalchemy.create_engine(url.replace("postgres://", "postgresql+psycopg://"))
frame = pandas.read_sql("SELECT * FROM sales_1h", engine)
assert list(frame.columns) == ["time", "country", "revenue", "lines"] and len(frame) == 2 and frame["lines"].sum() == 3, frame
inspector = sqlalchemy.inspect(engine)
assert sorted(inspector.get_table_names()) == ["sales_1d", "sales_1h"], inspector.get_table_names()
assert inspector.get_table_names(schema="lake") == ["orders"]
types = {column["name"]: str(column["type"]) for column in inspector.get_columns("sales_1h")}
assert types == {"time": "TIMESTAMP", "country": "TEXT", "revenue": "NUMERIC(18, 2)", "lines": "BIGINT"}, types
table = sqlalchemy.Table("sales_1h", sqlalchemy.MetaData(), autoload_with=engine)
with engine.connect() as connection:
    total = connection.execute(sqlalchemy.select(sqlalchemy.func.sum(table.c.revenue)).where(table.c.time >= day)).scalar()
assert total == decimal.Decimal("19.75"), total
print("psycopg, SQLAlchemy and pandas agree")
