#!/usr/bin/env python3
"""Trains a model on a training set that `caudal export training` wrote, and measures it on the newest rows.

The rows are split by time, since a model is used on what comes after it was trained: the first 60 % train it, the next 15 % choose the threshold
at which a transaction is stopped, the last 25 % are what it is measured on. Between the parts lies a week, the time after which a label
is known. With --in-use the model of that folder is measured on the same rows.

Writes model.joblib and metrics.json, as `caudal models publish` takes them.
"""
import argparse
import json
import pathlib

import joblib
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

GAP = np.timedelta64(7, "D")


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--set", type=pathlib.Path, required=True, help="folder of the training set")
    args.add_argument("--out", type=pathlib.Path, required=True, help="folder for the model")
    args.add_argument("--label", default="fraud")
    args.add_argument("--also", default="amount", help="columns beside the features, separated by commas")
    args.add_argument("--iterations", type=int, default=150)
    args.add_argument("--in-use", type=pathlib.Path, help="folder of the model in use")
    args.add_argument("--in-use-version", help="its version")
    args = args.parse_args()

    time, x, y, names = load(args.set, args.label, args.also.split(","))
    train, tune, test = split(time)
    print(f"{len(y):,} rows, {int(y.sum()):,} of them {args.label}; {len(names)} inputs")
    print(f"train {train.sum():,} rows, tune {tune.sum():,}, test {test.sum():,} rows with {int(y[test].sum()):,}")
    model = HistGradientBoostingClassifier(max_iter=args.iterations, learning_rate=0.08, early_stopping=False, random_state=0)
    model.fit(x[train], y[train])
    bundle = {"model": model, "inputs": names, "threshold": threshold(y[tune], score(model, x[tune]))}
    metrics = {"metrics": measure(bundle, x[test], y[test], names)}
    report("this model", metrics["metrics"])
    if args.in_use:
        other = joblib.load(args.in_use / "model.joblib")
        metrics["in_use"] = {"version": args.in_use_version, "metrics": measure(other, x[test], y[test], names)}
        report(f"version {args.in_use_version}, in use", metrics["in_use"]["metrics"])
    args.out.mkdir(parents=True, exist_ok=True)
    joblib.dump(bundle, args.out / "model.joblib")
    (args.out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")


def load(folder, label, also):
    """Times, inputs, labels and the names of the inputs. Nulls are NaN, which the trees know what to do with."""
    manifest = json.loads((folder / "manifest.json").read_text())
    table = pq.ParquetDataset([folder / f["name"] for f in manifest["files"]]).read()
    names = also + [c["name"] for c in manifest["columns"] if c["role"] == "feature"]
    columns = [pc.cast(table[name], "float64").to_numpy() for name in names]
    time = table["time"].to_numpy()
    hour = (time - time.astype("datetime64[D]")) / np.timedelta64(1, "h")
    return time, np.column_stack(columns + [hour]), table[label].to_numpy().astype(int), names + ["hour"]


def split(time):
    """Which rows train, tune and test. They are sorted by time."""
    tune, test = time[int(len(time) * 0.6)], time[int(len(time) * 0.75)]
    return time < tune - GAP, (time >= tune) & (time < test - GAP), time >= test


def score(model, x):
    return model.predict_proba(x)[:, 1]


def threshold(y, scores):
    """Where precision and recall are best together."""
    precision, recall, thresholds = precision_recall_curve(y, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[np.argmax(f1[:-1])])


def measure(bundle, x, y, names):
    """How a model does on rows; it gets its inputs by name, as it may have others than the rows' set."""
    wanted = np.column_stack([x[:, names.index(n)] if n in names else np.full(len(x), np.nan) for n in bundle["inputs"]])
    scores = score(bundle["model"], wanted)
    stopped = scores >= bundle["threshold"]
    hits = int((stopped & (y == 1)).sum())
    return {
        "pr_auc": float(average_precision_score(y, scores)),
        "roc_auc": float(roc_auc_score(y, scores)),
        "precision": hits / max(int(stopped.sum()), 1),
        "recall": hits / max(int(y.sum()), 1),
        "share_stopped": float(stopped.mean()),
        "base_rate": float(y.mean()),
    }


def report(who, m):
    print(f"{who}: PR-AUC {m['pr_auc']:.4f} (by chance {m['base_rate']:.4f}), ROC-AUC {m['roc_auc']:.4f}; "
          f"at the threshold {m['share_stopped']:.2%} are stopped, precision {m['precision']:.3f}, recall {m['recall']:.3f}")


if __name__ == "__main__":
    main()
