"""Our merge of rows by key against Dolt's, on random triples: the same rows, the same conflicts.

Where the rules differ:

- A row with a cell in conflict: Dolt keeps ours' row whole until somebody decides; we keep ours' cell and merge the
  row's other cells. The test checks both.
- Dolt has one conflict per row; we have one for each cell in conflict, and one for the row if it was deleted on a
  side or inserted on both.

Both are checked below, so nothing is left out of the comparison.
"""

import collections
import json
import os
import pathlib
import random
import subprocess
import sys

TRIPLES = 10_000
SEED = 20_260_801


def merge_rows():
    path = os.environ.get("ANABRANCH_TEST_MERGE_ROWS")
    if not path:
        raise RuntimeError("ANABRANCH_TEST_MERGE_ROWS is not set: run tools/test clients")
    return path


def random_row(chance, key):
    return [key, chance.choice([None, 0, 1, 2]), chance.choice([None, "", "x", "y"]), chance.choice([None, 0.5, 1.5])]


def edit(chance, rows):
    """Deletes, changes and inserts a few rows."""
    rows = {row[0]: list(row) for row in rows}
    for _ in range(chance.randint(0, 6)):
        key = chance.randint(0, 7)
        if key not in rows:
            rows[key] = random_row(chance, key)
        elif chance.random() < 0.3:
            del rows[key]
        else:
            column = chance.randint(1, 3)
            rows[key][column] = random_row(chance, key)[column]
    return sorted(rows.values())


def random_triple(chance):
    base = [random_row(chance, key) for key in range(8) if chance.random() < 0.6]
    return {"base": base, "ours": edit(chance, base), "theirs": edit(chance, base)}


def ours_answers(triples):
    head = {"columns": [["k", "int64"], ["a", "int64"], ["b", "utf8"], ["c", "float64"]], "key": ["k"]}
    lines = "\n".join(json.dumps(line) for line in [head, *triples])
    answer = subprocess.run([merge_rows()], input=lines, capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def dolt_answers(triples, folder):
    asked, answered = folder / "triples.json", folder / "answers.json"
    asked.write_text(json.dumps(triples))
    job = pathlib.Path(__file__).parent / "jobs" / "dolt_merge.py"
    subprocess.run([sys.executable, str(job), str(asked), str(answered)], check=True, timeout=120)
    return json.loads(answered.read_text())


def expected_conflicts(conflict):
    """What our conflicts of the row must be, by Dolt's three rows."""
    base, ours, theirs = conflict["base"], conflict["ours"], conflict["theirs"]
    if base is None:
        return {("duplicate-key", None)}
    if ours is None or theirs is None:
        return {("row-conflict", None)}
    cells = zip("kabc", base, ours, theirs)
    return {("row-conflict", name) for name, b, o, t in cells if b != o and b != t and o != t}


def expected_row(conflict):
    """The row that we keep beside a conflict: ours', with theirs' cells where only theirs changed them."""
    base, ours, theirs = conflict["base"], conflict["ours"], conflict["theirs"]
    if base is None or ours is None or theirs is None:
        return ours
    return [t if b == o else o for b, o, t in zip(base, ours, theirs)]


def test_rows_and_conflicts_are_those_of_dolt(tmp_path):
    chance = random.Random(SEED)
    triples = [random_triple(chance) for _ in range(TRIPLES)]
    ours, dolt = ours_answers(triples), dolt_answers(triples, tmp_path)
    assert len(ours) == len(dolt) == TRIPLES
    for triple, mine, theirs in zip(triples, ours, dolt):
        conflicts = {}
        for conflict in mine["conflicts"]:
            conflicts.setdefault(conflict["key"]["k"], set()).add((conflict["kind"], conflict["column"]))
        assert conflicts == {c["key"]: expected_conflicts(c) for c in theirs["conflicts"]}, triple
        rows = {row[0]: row for row in theirs["rows"]}
        for conflict in theirs["conflicts"]:
            assert rows.get(conflict["key"]) == conflict["ours"], (triple, "Dolt keeps ours' row whole")
            rows[conflict["key"]] = expected_row(conflict)
        assert mine["rows"] == [rows[key] for key in sorted(rows) if rows[key] is not None], triple
    with_conflicts = sum(bool(answer["conflicts"]) for answer in ours)
    assert TRIPLES / 4 < with_conflicts < TRIPLES * 3 / 4, "the triples are a fair mixture"
    kinds = collections.Counter(
        (conflict["kind"], conflict["column"] is not None) for answer in ours for conflict in answer["conflicts"]
    )
    assert len(kinds) == 3 and min(kinds.values()) > TRIPLES / 100, kinds
