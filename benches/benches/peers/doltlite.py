"""Does what the bench asks for on standard input, a JSON object a line, and answers how many seconds it took."""
import doltlite  # Puts its library in the place of sqlite3's: must come first.
import json
import sqlite3
import sys
import time

connection = sqlite3.connect(sys.argv[1], isolation_level=None)


def value(query, *arguments):
    return connection.execute(query, arguments).fetchone()[0]


def read(path):
    with open(path) as file:
        return [tuple(line.rstrip("\n").split("\t")) for line in file]


def commit(rows):
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO files VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET value = excluded.value", rows)
    connection.execute("COMMIT")
    return value("SELECT dolt_commit('-A', '-m', 'bench')")


def differences(before, after):
    return value(f"SELECT count(*) FROM dolt_diff_files('{before}..{after}')")


def timed(work, *arguments):
    start = time.perf_counter()
    done = work(*arguments)
    return time.perf_counter() - start, done


def load(rows):
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE files (path TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
    return {"load": timed(commit, rows)[0]}


def round_of(number, ours, theirs):
    base = value("SELECT dolt_hashof('main')")
    side = f"side-{number}"
    connection.execute("SELECT dolt_branch(?)", (side,)).fetchall()
    committed, head = timed(commit, ours)
    diff = timed(differences, base, head)
    connection.execute("SELECT dolt_checkout(?)", (side,)).fetchall()
    commit(theirs)
    connection.execute("SELECT dolt_checkout('main')").fetchall()
    merged, head = timed(value, "SELECT dolt_merge(?)", side)
    return {"commit": committed, "diff": diff, "merge": (merged, differences(base, head))}


for line in sys.stdin:
    asked = json.loads(line)
    if "load" in asked:
        answer = load(read(asked["load"]))
    else:
        answer = round_of(asked["round"], read(asked["ours"]), read(asked["theirs"]))
    print(json.dumps(answer), flush=True)
