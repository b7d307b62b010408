#!/usr/bin/env python3
"""Writes card transactions as CSV to standard output: a function of the seed alone.

Customers have a home country, habits of their own (how often, how much) and terminals near them. Fraud comes in three ways: a stolen card is
used many times within hours, abroad and for large amounts; a terminal that was tampered with turns a share of its payments into fraud for
weeks; and some single payments are far too large.
"""
import argparse
import csv
import datetime
import random
import sys

COUNTRIES = ["DE", "FR", "GB", "IT", "NL", "ES"]
HEADER = ["TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_COUNTRY", "TX_FRAUD"]
START = datetime.datetime(2026, 1, 1)
DAY = 86400


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--customers", type=int, default=500)
    args.add_argument("--terminals", type=int, default=400)
    args.add_argument("--days", type=int, default=75)
    args = args.parse_args()
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(HEADER)
    for number, (second, customer, terminal, amount, country, fraud) in enumerate(transactions(args)):
        moment = START + datetime.timedelta(seconds=second)
        out.writerow([number, moment, f"c{customer}", f"t{terminal}", f"{amount:.2f}", country, fraud])


def transactions(args):
    """All payments in the order of time."""
    r = random.Random(args.seed)
    homes = [r.choice(COUNTRIES) for _ in range(args.terminals)]
    tampered = {}  # terminal -> [from, to) in seconds
    for _ in range(args.terminals * args.days // 1500):
        begins = r.randrange(args.days * DAY)
        tampered[r.randrange(args.terminals)] = (begins, begins + r.randint(10, 28) * DAY)
    rows = []
    for customer in range(args.customers):
        rows += history(r, args, customer, homes, tampered)
    return sorted(rows)


def history(r, args, customer, homes, tampered):
    """What one customer's card is used for."""
    home = r.choice(COUNTRIES)
    near = [t for t in range(args.terminals) if homes[t] == home]
    habit = r.sample(near, min(len(near), r.randint(5, 30)))
    mean, per_day = r.uniform(5, 100), r.uniform(0.3, 3.5)
    stolen = [r.randrange(args.days * DAY)] if r.random() < args.days / 400 else []
    rows, at = [], 0.0
    while True:
        at += r.expovariate(per_day) * DAY
        if at >= args.days * DAY:
            break
        hour = r.gauss(14, 4.5) % 24
        second = int(at // DAY * DAY + hour * 3600 + r.random() * 60)
        abroad = r.random() < 0.02
        terminal = r.randrange(args.terminals) if abroad else r.choice(habit)
        amount, fraud = max(0.5, r.gauss(mean, mean / 2)), 0
        begins, ends = tampered.get(terminal, (0, 0))
        if begins <= second < ends and r.random() < 0.6:
            fraud = 1
        elif r.random() < 0.001:
            amount, fraud = r.uniform(220, 900), 1
        rows.append((second, customer, terminal, amount, homes[terminal], fraud))
    for begins in stolen:
        second = begins
        for _ in range(r.randint(6, 25)):
            second += int(r.expovariate(1 / 900))
            terminal = r.randrange(args.terminals)
            rows.append((second, customer, terminal, max(5, r.gauss(mean * 4, mean)), homes[terminal], 1))
    return rows


if __name__ == "__main__":
    main()
