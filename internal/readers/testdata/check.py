"""What a reader found, in a form that another language writes alike: each value exactly, each row a line, all lines sorted and hashed."""
import datetime, decimal, hashlib, json, math, struct

COLUMNS = ["id", "at", "n", "maybe", "small", "middle", "wide", "ratio", "flag", "day", "seen", "note", "tags", "prices", "counts", "visits", "_partition", "_offset"]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
decimal.getcontext().prec = 100


def canonical(value):
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return "null"
    if isinstance(value, (list, tuple)) or type(value).__name__ == "ndarray":
        return "[" + " ".join(canonical(v) for v in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):  # one without a zone is an error here, as it should be
        return str((value - EPOCH) // datetime.timedelta(microseconds=1))
    if isinstance(value, datetime.date):
        return str((value - EPOCH.date()).days)
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    if isinstance(value, str):
        return value.encode().hex()
    return str(int(value)) if value == int(value) else "?"


def check(name, records):
    lines, sums = [], {c: decimal.Decimal(0) for c in ["n", "maybe", "small", "middle", "wide", "_offset"]}
    nulls = dict.fromkeys(["maybe", "ratio", "flag", "seen", "note", "tags", "visits"], 0)
    for r in records:
        for c in sums:
            if canonical(r[c]) != "null":
                sums[c] += decimal.Decimal(r[c])
        for c in nulls:
            nulls[c] += canonical(r[c]) == "null"
        lines.append("|".join(canonical(r[c]) for c in COLUMNS))
    lines.sort()
    print("FOUND", json.dumps({
        "name": name, "rows": len(lines), "nulls": nulls, "sums": {c: format(s, "f") for c, s in sums.items()},
        "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest(), "some": lines[:1]}))
