"""pyarrow, polars, DuckDB and obstore over S3: datasets are written by one and read by the others."""

import duckdb
import duckdb_extensions
import obstore
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from obstore.store import S3Store
from pyarrow.fs import FileSelector, FileType, S3FileSystem

from conftest import ACCESS_KEY, SECRET_KEY


def flights():
    return pa.table({
        "day": pa.array([1, 1, 2, 3], pa.int32()), "carrier": ["UA", "AA", "UA", "DL"], "delay": [2.5, None, 0.0, -1.0],
    })


def rows(table):
    """Rows of an Arrow table as a sorted list, for comparison as a multiset."""
    columns = ("day", "carrier", "delay")
    return sorted(tuple(row[name] for name in columns) for row in table.select(columns).to_pylist())


def arrow_fs(server):
    return S3FileSystem(
        access_key=ACCESS_KEY, secret_key=SECRET_KEY, endpoint_override=server.url, scheme="http", region="us-east-1")


def polars_options(server):
    return {
        "aws_endpoint_url": server.url, "aws_allow_http": "true", "aws_region": "us-east-1",
        "aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY,
    }


def duck(server):
    connection = duckdb.connect()
    duckdb_extensions.import_extension("httpfs", con=connection)
    connection.execute("LOAD httpfs")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{ACCESS_KEY}', SECRET '{SECRET_KEY}', REGION 'us-east-1', "
        f"ENDPOINT '{server.url.removeprefix('http://')}', URL_STYLE 'path', USE_SSL false)"
    )
    return connection


def store(server, bucket):
    return S3Store(
        bucket, endpoint=server.url, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY, region="us-east-1",
        virtual_hosted_style_request=False, client_options={"allow_http": True},
    )


def test_a_dataset_of_pyarrow_is_read_by_all(server, repository):
    fs, bucket = arrow_fs(server), repository.id
    ds.write_dataset(
        flights(), f"{bucket}/main/flights", filesystem=fs, format="parquet", partitioning=["day"],
        partitioning_flavor="hive", existing_data_behavior="delete_matching")
    commit = repository.branch("main").commit("flights").get_commit().id
    for reference in ("main", commit):
        at = f"{bucket}/{reference}/flights"
        assert rows(ds.dataset(at, filesystem=fs, partitioning="hive").to_table()) == rows(flights())
        polars = pl.scan_parquet(
            f"s3://{at}/**/*.parquet", hive_partitioning=True, storage_options=polars_options(server)).collect()
        assert rows(polars.to_arrow()) == rows(flights())
        found = duck(server).execute(
            f"SELECT day::INT AS day, carrier, delay FROM read_parquet('s3://{at}/*/*.parquet', hive_partitioning = true)"
        ).to_arrow_table()
        assert rows(found) == rows(flights())


def test_files_of_pyarrow(server, repository):
    fs, base = arrow_fs(server), f"{repository.id}/main"
    with fs.open_output_stream(f"{base}/big") as out:
        for number in range(12):
            out.write(bytes([number]) * (1 << 20))
    with fs.open_input_file(f"{base}/big") as file:
        assert file.size() == 12 << 20 and file.read_at(2, (3 << 20) - 1) == b"\2\3"
    fs.create_dir(f"{base}/folder")
    fs.copy_file(f"{base}/big", f"{base}/folder/copy")
    fs.move(f"{base}/folder/copy", f"{base}/folder/moved")
    listed = fs.get_file_info(FileSelector(base, recursive=True))
    files = sorted(item.path for item in listed if item.type == FileType.File)
    assert files == [f"{base}/big", f"{base}/folder/moved"]
    fs.delete_dir(f"{base}/folder")
    assert fs.get_file_info(f"{base}/folder").type == FileType.NotFound
    assert fs.get_file_info(base).type == FileType.Directory


def test_polars_writes(server, repository):
    path = f"s3://{repository.id}/main/frame.parquet"
    pl.from_arrow(flights()).write_parquet(path, storage_options=polars_options(server))
    pl.from_arrow(flights()).lazy().sink_parquet(
        f"s3://{repository.id}/main/sunk.parquet", storage_options=polars_options(server))
    for name in ("frame", "sunk"):
        table = pq.read_table(f"{repository.id}/main/{name}.parquet", filesystem=arrow_fs(server))
        assert rows(table) == rows(flights())
    again = pl.read_parquet(path, storage_options=polars_options(server))
    assert rows(again.to_arrow()) == rows(flights())


def test_duckdb_writes(server, repository):
    connection, base = duck(server), f"s3://{repository.id}/main"
    connection.register("flights", flights())
    connection.execute(f"COPY flights TO '{base}/flights.parquet' (FORMAT parquet)")
    connection.execute(f"COPY flights TO '{base}/by_day' (FORMAT parquet, PARTITION_BY (day))")
    connection.execute(f"COPY (SELECT range AS n, repeat('x', 100) AS text FROM range(200000)) TO '{base}/big.csv'")
    assert rows(pq.read_table(f"{repository.id}/main/flights.parquet", filesystem=arrow_fs(server))) == rows(flights())
    found = connection.execute(f"SELECT day::INT AS day, carrier, delay FROM read_parquet('{base}/by_day/*/*.parquet')")
    assert rows(found.to_arrow_table()) == rows(flights())
    assert connection.execute(f"SELECT count(*), sum(n) FROM '{base}/big.csv'").fetchone() == (200000, 19999900000)
    files = connection.execute(f"SELECT file FROM glob('{base}/**')").fetchall()
    assert len(files) == 5, files


def test_obstore(server, repository):
    bucket = store(server, repository.id)
    put = obstore.put(bucket, "main/a", b"hello", attributes={"Content-Type": "text/plain"})
    got = obstore.get(bucket, "main/a")
    assert got.bytes() == b"hello" and got.meta["e_tag"] == put["e_tag"]
    assert obstore.get_range(bucket, "main/a", start=1, end=3) == b"el"
    with pytest.raises(obstore.exceptions.AlreadyExistsError):
        obstore.put(bucket, "main/a", b"other", mode="create")
    obstore.put(bucket, "main/a", b"newer", mode={"e_tag": put["e_tag"]})
    with pytest.raises(obstore.exceptions.PreconditionError):
        obstore.put(bucket, "main/a", b"late", mode={"e_tag": put["e_tag"]})
    obstore.put(bucket, "main/big", bytes(12 << 20), use_multipart=True, chunk_size=5 << 20)
    assert obstore.head(bucket, "main/big")["size"] == 12 << 20
    obstore.copy(bucket, "main/a", "main/copy")
    obstore.rename(bucket, "main/copy", "main/renamed")
    listed = obstore.list_with_delimiter(bucket, "main")
    assert [item["path"] for item in listed["objects"]] == ["main/a", "main/big", "main/renamed"]
    obstore.delete(bucket, ["main/big", "main/renamed"])
    assert [item["path"] for page in obstore.list(bucket) for item in page] == ["main/a"]
    with pytest.raises(FileNotFoundError):
        obstore.get(bucket, "main/big")
