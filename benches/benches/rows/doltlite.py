import doltlite  # Puts its library in the place of sqlite3's: must come first.

import sqlite3
import sys
import tempfile
import time

rows, rounds = int(sys.argv[1]), int(sys.argv[2])
times = []
for _ in range(rounds):
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(f"{folder}/t.db", isolation_level=None)
        run = lambda statement, *values: connection.execute(statement, values).fetchall()
        run("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, amount REAL, grp INTEGER)")
        run("BEGIN")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?, ?)", ((i, f"row {i}", i / 7, i % 1000) for i in range(rows))
        )
        run("COMMIT")
        run("SELECT dolt_commit('-A', '-m', 'base')")
        run("SELECT dolt_branch('dev')")
        run("UPDATE t SET name = 'ours ' || id WHERE id % 100 = 7")
        run("SELECT dolt_commit('-A', '-m', 'ours')")
        run("SELECT dolt_checkout('dev')")
        run("UPDATE t SET amount = -1 WHERE id % 100 = 31")
        run("SELECT dolt_commit('-A', '-m', 'theirs')")
        run("SELECT dolt_checkout('main')")
        begun = time.perf_counter()
        run("SELECT dolt_merge('dev')")
        times.append(round((time.perf_counter() - begun) * 1000))
        [(ours, theirs)] = run("SELECT sum(name LIKE 'ours%'), sum(amount = -1) FROM t")
        assert (ours, theirs) == (rows // 100, rows // 100), (ours, theirs)
        connection.close()
times.sort()
print(f"doltlite: median {times[len(times) // 2]} ms of {times}")
