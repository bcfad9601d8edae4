"""s3fs, on which pandas, dask and many others stand."""

from tools import keys, run_job


def test_a_job(server, repository):
    main = repository.branch("main")
    main.object("committed").upload(data=b"before", mode="wb")
    commit = main.commit("before").get_commit().id
    run_job("s3fs", "s3fs_job.py", keys(), server.url, repository.id, commit)
    assert sorted(item.path for item in main.objects()) == ["committed", "moved.txt", "once"]
