"""Merges triples of row sets with Dolt: argument 1 holds them as JSON, argument 2 gets the answers.

A program of its own, because doltlite must be loaded before sqlite3. All triples go into one table, told apart by
their number, so that one merge answers them all.
"""

import doltlite  # noqa: F401, it takes the place of sqlite3's library

import json
import os
import sqlite3
import sys
import tempfile

COLUMNS = ["a", "b", "c"]


def put(connection, triples, side, before):
    """Turns the rows of the table from those of the side `before` into those of `side`."""
    gone, new = [], []
    for number, triple in enumerate(triples):
        old = {row[0]: row for row in triple[before]} if before else {}
        now = {row[0]: row for row in triple[side]}
        gone += [(number, key) for key in old if old[key] != now.get(key)]
        new += [(number, *row) for key, row in now.items() if old.get(key) != row]
    connection.execute("begin")
    connection.executemany("delete from t where s = ? and k = ?", gone)
    connection.executemany("insert into t values (?, ?, ?, ?, ?)", new)
    connection.execute("commit")
    connection.execute(f"select dolt_commit('-A', '-m', '{side}')")


def merge(triples, folder):
    connection = sqlite3.connect(os.path.join(folder, "rows.db"), isolation_level=None)
    connection.execute("create table t (s int not null, k int not null, a int, b text, c real, primary key (s, k))")
    put(connection, triples, "base", None)
    connection.execute("select dolt_branch('theirs')")
    put(connection, triples, "ours", "base")
    connection.execute("select dolt_checkout('theirs')")
    put(connection, triples, "theirs", "base")
    connection.execute("select dolt_checkout('main')")
    connection.execute("begin")
    try:
        connection.execute("select dolt_merge('theirs')")
    except sqlite3.OperationalError as error:
        if "conflict" not in str(error):
            raise
    answers = [{"rows": [], "conflicts": []} for _ in triples]
    for number, *row in connection.execute("select s, k, a, b, c from t order by s, k"):
        answers[number]["rows"].append(row)
    sides = ", ".join(f"{side}_{column}" for side in ("base", "our", "their") for column in ["s", "k", *COLUMNS])
    for row in connection.execute(f"select {sides} from dolt_conflicts_t"):
        base, ours, theirs = row[0:5], row[5:10], row[10:15]
        number, key = next(side[:2] for side in (base, ours, theirs) if side[0] is not None)
        show = [None if side[0] is None else list(side[1:]) for side in (base, ours, theirs)]
        answers[number]["conflicts"].append({"key": key, "base": show[0], "ours": show[1], "theirs": show[2]})
    connection.execute("rollback")
    return answers


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        triples = json.load(file)
    with tempfile.TemporaryDirectory() as folder:
        answers = merge(triples, folder)
    with open(sys.argv[2], "w") as file:
        json.dump(answers, file)
