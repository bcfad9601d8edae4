"""Killed between any two writes: nothing that was acknowledged is lost."""

import os
import random
import threading
import uuid

import lakefs
import pytest
from botocore.exceptions import ClientError

from conftest import Server

ROUNDS = 6
SEED = 20130101


def databases():
    yield pytest.param(None, id="sqlite")
    url = os.environ.get("ANABRANCH_TEST_POSTGRES_URL")
    if url or os.environ.get("ANABRANCH_TEST_REQUIRE_SERVERS"):
        assert url, "ANABRANCH_TEST_POSTGRES_URL is not set"
        yield pytest.param(url, id="postgres")


class Writer(threading.Thread):
    """Uploads through both doors, commits and merges until the server is gone; remembers what was acknowledged."""

    def __init__(self, server, repository, name):
        super().__init__(daemon=True)
        self.repository = lakefs.Repository(repository.id, client=server.lakefs_client())
        self.s3 = server.s3()
        self.name = name
        self.objects = {}
        self.commits = []
        self.merges = []
        self.acknowledged = threading.Semaphore(0)
        self.unexpected = None

    def run(self):
        try:
            branch = self.repository.branch(self.name)
            number = 0
            while True:
                path = f"{self.name}/{uuid.uuid4().hex}"
                content = os.urandom(20 if number % 3 else 400_000)
                if number % 2:
                    self.s3.put_object(Bucket=self.repository.id, Key=f"{self.name}/{path}", Body=content)
                else:
                    branch.object(path).upload(data=content, mode="wb")
                self.objects[path] = content
                self.acknowledged.release()
                if number % 4 == 3:
                    self.commits.append(branch.commit(f"up to {number}").id)
                    self.acknowledged.release()
                    self.merges.append(branch.merge_into(self.repository.branch("main")))
                    self.acknowledged.release()
                number += 1
        except (lakefs.exceptions.ServerException, ClientError) as error:
            # 5xx or 4xx while the server lives is a fault; a closed connection is the kill.
            self.unexpected = error
        except Exception:  # noqa: BLE001 -- whichever way the connection broke
            pass
        finally:
            self.acknowledged.release()


@pytest.mark.parametrize("database", list(databases()))
def test_nothing_acknowledged_is_lost(database, tmp_path):
    arguments = []
    if database:
        arguments = ["--postgres", database]
    server = Server(tmp_path / "data", *arguments).start()
    repository = server.repository()
    names = ["one", "two", "three"]
    for name in names:
        repository.branch(name).create("main")
    objects = {name: {} for name in names}
    commits, merges = {name: [] for name in names}, []
    dice = random.Random(SEED)
    for turn in range(ROUNDS):
        writers = [Writer(server, repository, name) for name in names]
        for writer in writers:
            writer.start()
        for _ in range(dice.randrange(3, 40)):
            dice.choice(writers).acknowledged.acquire(timeout=30)
        server.kill()
        for writer in writers:
            writer.join(60)
            assert writer.unexpected is None, writer.unexpected
            objects[writer.name].update(writer.objects)
            commits[writer.name] += writer.commits
            merges += writer.merges
        server.start()
        repository = lakefs.Repository(repository.id, client=server.lakefs_client())
        for name in names:
            branch = repository.branch(name)
            log = {commit.id for commit in branch.log()}
            assert set(commits[name]) <= log, f"round {turn}: commits of {name} are gone (seed {SEED})"
            for path, content in objects[name].items():
                with branch.object(path).reader(mode="rb") as reader:
                    assert reader.read() == content, f"round {turn}: {path} (seed {SEED})"
        log = {commit.id for commit in repository.branch("main").log()}
        assert set(merges) <= log, f"round {turn}: merges are gone (seed {SEED})"
    checked = server.run("fsck", repository.id)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    server.stop()
