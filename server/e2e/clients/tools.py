"""Programs that live outside this Python environment: where they are, or why a test skips without them."""

import os
import pathlib
import shutil
import subprocess

import pytest

from conftest import ACCESS_KEY, SECRET_KEY

HERE = pathlib.Path(__file__).parent


def missing(what):
    """Skips, unless the test command promised that everything is there."""
    if os.environ.get("ANABRANCH_TEST_REQUIRE_SERVERS"):
        pytest.fail(f"{what} is missing, and ANABRANCH_TEST_REQUIRE_SERVERS is set")
    pytest.skip(f"{what} is missing: tools/test installs it")


def environment(name):
    """The folder of a Python environment of its own, made from requirements-NAME.txt."""
    folder = os.environ.get(f"ANABRANCH_TEST_VENV_{name.upper()}")
    if not folder or not pathlib.Path(folder).is_dir():
        missing(f"the Python environment {name}")
    return pathlib.Path(folder)


def from_environment(name, program):
    path = environment(name) / "bin" / program
    if not path.exists():
        missing(f"{program} in the Python environment {name}")
    return str(path)


def from_debian(program):
    path = f"/usr/bin/{program}"
    if not shutil.which(path):
        missing(f"Debian's {program}")
    return path


def keys(**more):
    """The surroundings of a program that takes its keys from there, and no setting of whoever runs the tests."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "JAVA_HOME") if name in os.environ}
    return dict(
        kept, AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY, AWS_DEFAULT_REGION="us-east-1",
        AWS_EC2_METADATA_DISABLED="true", **more,
    )


def run(command, env, ok=True, timeout=300):
    """Runs a program to its end; what it printed comes with a failure."""
    done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True, timeout=timeout)
    if ok:
        assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def run_job(name, script, env, *arguments, timeout=600):
    """Runs one of the scripts in `jobs/` with the Python of an environment of its own."""
    return run([from_environment(name, "python"), HERE / "jobs" / script, *arguments], env, timeout=timeout)


def merged_rows(base, ours, theirs):
    """What a merge of rows must make of three states, `{key: cells}`, cell by cell: the merged rows, and the keys that are in conflict."""

    def decide(b, o, t):
        return t if o == b else o if t == b or o == t else Ellipsis

    merged, conflicts = {}, set()
    for key in base.keys() | ours.keys() | theirs.keys():
        b, o, t = base.get(key), ours.get(key), theirs.get(key)
        row = decide(b, o, t)
        if row is Ellipsis and None not in (b, o, t):
            cells = tuple(map(decide, b, o, t))
            row = Ellipsis if Ellipsis in cells else cells
        if row is Ellipsis:
            conflicts.add(key)
        elif row is not None:
            merged[key] = row
    return merged, conflicts
