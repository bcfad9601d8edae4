"""What a job with s3fs does: files, folders, large files, and writes that must not replace anything.

Usage: s3fs_job.py ENDPOINT BUCKET COMMITTED_REF
"""

import sys

import s3fs

endpoint, bucket, committed = sys.argv[1:]
fs = s3fs.S3FileSystem(endpoint_url=endpoint, client_kwargs={"region_name": "us-east-1"})
base = f"{bucket}/main"

with fs.open(f"{base}/folder/a.txt", "w") as file:
    file.write("hello\n")
with fs.open(f"{base}/folder/big", "wb", block_size=5 << 20) as file:
    for number in range(12):
        file.write(bytes([number]) * (1 << 20))
assert fs.cat(f"{base}/folder/a.txt") == b"hello\n"
assert fs.info(f"{base}/folder/big")["size"] == 12 << 20
with fs.open(f"{base}/folder/big", "rb") as file:
    file.seek(7 << 20)
    assert file.read(3) == b"\7\7\7"

assert sorted(fs.ls(f"{base}/folder")) == [f"{base}/folder/a.txt", f"{base}/folder/big"]
assert f"{bucket}/main" in fs.ls(bucket)
assert fs.isdir(f"{base}/folder") and not fs.exists(f"{base}/nothing")
assert fs.glob(f"{base}/**/*.txt") == [f"{base}/folder/a.txt"]

fs.pipe_file(f"{base}/once", b"1", mode="create")
try:
    fs.pipe_file(f"{base}/once", b"2", mode="create")
except OSError as lost:  # s3fs has no narrower class for it
    assert "precondition failed" in str(lost), lost
else:
    raise AssertionError("a second creation went through")
assert fs.cat(f"{base}/once") == b"1"

fs.copy(f"{base}/folder/a.txt", f"{base}/copy.txt")
fs.mv(f"{base}/copy.txt", f"{base}/moved.txt")
assert fs.cat(f"{base}/moved.txt") == b"hello\n" and not fs.exists(f"{base}/copy.txt")
fs.put_tags(f"{base}/moved.txt", {"team": "blue"})
assert fs.get_tags(f"{base}/moved.txt") == {"team": "blue"}
fs.rm(f"{base}/folder", recursive=True)
fs.invalidate_cache()
assert not fs.exists(f"{base}/folder")

assert fs.cat(f"{bucket}/{committed}/committed") == b"before"
try:
    fs.pipe_file(f"{bucket}/{committed}/new", b"x")
except OSError as refused:
    assert "only branches can be written to" in str(refused), refused
else:
    raise AssertionError("a write to a commit went through")
