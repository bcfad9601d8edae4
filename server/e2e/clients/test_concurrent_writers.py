"""Many writers at once: every acknowledged row is there, once."""

import multiprocessing
import socket
import threading

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from readers import rows_of

CONTEXT = multiprocessing.get_context("spawn")


def append_with_retries(table, options, values, results, together):
    """What a job does: writes, and tries again when somebody else was first."""
    retries = 0
    together.wait(120)
    for value in values:
        rows = pa.table({"id": pa.array([value], pa.int64())})
        while True:
            try:
                write_deltalake(table, rows, mode="append", storage_options=options)
                break
            except Exception as error:  # noqa: BLE001 -- deltalake has no narrower class for a lost race
                retries += 1
                if retries > 200:
                    results.put((values, retries, repr(error)))
                    return
    results.put((values, retries, None))


def run(table, options, jobs):
    results = CONTEXT.Queue()
    together = CONTEXT.Barrier(len(jobs))
    processes = [
        CONTEXT.Process(target=append_with_retries, args=(table, options, job, results, together)) for job in jobs
    ]
    for process in processes:
        process.start()
    answers = [results.get(timeout=300) for _ in processes]
    for process in processes:
        process.join(60)
    assert all(error is None for _, _, error in answers), answers
    return sum(retries for _, retries, _ in answers)


def test_eight_writers_on_one_branch(server, repository):
    table = f"s3://{repository.id}/main/t"
    options = server.delta_options()
    write_deltalake(table, pa.table({"id": pa.array([0], pa.int64())}), storage_options=options)
    run(table, options, [[number] for number in range(1, 9)])
    read = DeltaTable(table, storage_options=options)
    assert read.version() == 8
    assert rows_of(read.to_pyarrow_table(), ["id"]) == [(number,) for number in range(9)]


class Relay:
    """Passes bytes on to the server and counts the answers that begin with a status."""

    def __init__(self, port, status):
        self.port, self.needle, self.count = port, f"HTTP/1.1 {status}".encode(), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.port))
            for connection in (client, server):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.pass_on, args=(server, client, True), daemon=True).start()

    def pass_on(self, source, target, counted):
        try:
            while piece := source.recv(65536):
                if counted:
                    self.count += piece.count(self.needle)
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_two_processes_over_lakefs_paths(server, repository):
    table = f"lakefs://{repository.id}/main/t"
    relay = Relay(server.port, 409)
    options = dict(server.lakefs_options(), endpoint=relay.url)
    write_deltalake(table, pa.table({"id": pa.array([0], pa.int64())}), storage_options=options)
    before = len(list(repository.branch("main").log()))
    run(table, options, [list(range(1, 11)), list(range(11, 21))])
    commits = list(repository.branch("main").log())
    assert len(commits) - before == 20, "a commit for each write"
    read = DeltaTable(table, storage_options=options)
    assert read.version() == 20
    assert rows_of(read.to_pyarrow_table(), ["id"]) == [(number,) for number in range(21)]
    # Whether two writers meet is up to the scheduler: they go on until they have met once.
    start = 21
    for _ in range(12):
        if relay.count:
            break
        run(table, options, [list(range(start, start + 10)), list(range(start + 10, start + 20))])
        start += 20
    read = DeltaTable(table, storage_options=options)
    assert rows_of(read.to_pyarrow_table(), ["id"]) == [(number,) for number in range(start)]
    assert relay.count >= 1, "at least one writer lost a race, was answered 409, and tried again"
    relay.listener.close()


def test_six_processes_over_lakefs_paths(server, repository):
    """A commit for each of 120 writes and every row once, whoever was first."""
    table, options = f"lakefs://{repository.id}/main/t", server.lakefs_options()
    write_deltalake(table, pa.table({"id": pa.array([0], pa.int64())}), storage_options=options)
    main = repository.branch("main")
    before = len(list(main.log()))
    run(table, options, [list(range(start, start + 20)) for start in range(1, 121, 20)])
    versions = [f"t/_delta_log/{version:020}.json" for version in range(1, 121)]
    assert len(list(main.log(objects=versions))) == 120, "a commit for each write"
    checkpoints = [entry.path for entry in main.objects(prefix="t/_delta_log/") if ".checkpoint." in entry.path]
    assert len(list(main.log())) - before == 120 + len(checkpoints), "and one for each checkpoint, by delta-rs itself"
    read = DeltaTable(table, storage_options=options)
    assert read.version() == 120
    assert rows_of(read.to_pyarrow_table(), ["id"]) == [(number,) for number in range(121)]
    left = [branch.id for branch in repository.branches()]
    assert left == ["main"], "the writers' own branches are gone"
