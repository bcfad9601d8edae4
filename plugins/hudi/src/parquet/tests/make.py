"""Writes the small Parquet files of this folder with PyArrow 26: one column of record keys, in each way of writing that is read."""

import pyarrow as pa
import pyarrow.parquet as pq

KEYS = [f"key-{number % 250}" for number in range(300)]
NOTES = {"hoodie_min_record_key": "key-0", "hoodie_max_record_key": "key-99"}


def write(name, nullable=True, rows=len(KEYS), **options):
    schema = pa.schema([pa.field("_hoodie_record_key", pa.string(), nullable=nullable)])
    settings = dict(store_schema=False, write_statistics=False) | options
    with pq.ParquetWriter(f"{name}.parquet", schema, **settings) as writer:
        writer.write_table(pa.table([pa.array(KEYS)], schema=schema), row_group_size=rows)
        writer.add_key_value_metadata(NOTES)


def encoded(name):
    return dict(use_dictionary=False, column_encoding={"_hoodie_record_key": name})


write("gzip", compression="gzip")
write("snappy-plain", compression="snappy", use_dictionary=False)
write("none-v2", compression="none", data_page_version="2.0")
write("delta", compression="snappy", data_page_version="2.0", **encoded("DELTA_BYTE_ARRAY"))
write("delta-length", compression="gzip", **encoded("DELTA_LENGTH_BYTE_ARRAY"))
write("required", nullable=False, compression="snappy", rows=200, data_page_size=64)
write("zstd", compression="zstd")
write("brotli", compression="brotli")
