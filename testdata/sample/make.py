"""Makes lakes.parquet: a small table for repositories that begin with sample data. Needs pyarrow."""

import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

# Name, country or countries, area in square kilometres, greatest depth in metres: rounded figures of common knowledge.
LAKES = [
    ("Caspian Sea", "Azerbaijan, Iran, Kazakhstan, Russia, Turkmenistan", 371000, 1025),
    ("Superior", "Canada, United States", 82100, 406),
    ("Victoria", "Kenya, Tanzania, Uganda", 68900, 84),
    ("Huron", "Canada, United States", 59600, 229),
    ("Michigan", "United States", 58000, 281),
    ("Tanganyika", "Burundi, Congo, Tanzania, Zambia", 32900, 1470),
    ("Baikal", "Russia", 31700, 1642),
    ("Great Bear Lake", "Canada", 31300, 446),
    ("Malawi", "Malawi, Mozambique, Tanzania", 29600, 706),
    ("Great Slave Lake", "Canada", 27200, 614),
    ("Erie", "Canada, United States", 25700, 64),
    ("Winnipeg", "Canada", 24500, 36),
    ("Ontario", "Canada, United States", 19000, 244),
    ("Ladoga", "Russia", 17700, 230),
    ("Onega", "Russia", 9700, 127),
    ("Titicaca", "Bolivia, Peru", 8400, 281),
    ("Vänern", "Sweden", 5650, 106),
    ("Issyk-Kul", "Kyrgyzstan", 6200, 668),
    ("Geneva", "France, Switzerland", 580, 310),
    ("Constance", "Austria, Germany, Switzerland", 536, 251),
]

names, countries, areas, depths = zip(*LAKES)
table = pa.table({
    "name": pa.array(names, pa.string()),
    "countries": pa.array(countries, pa.string()),
    "area_km2": pa.array(areas, pa.int64()),
    "depth_m": pa.array(depths, pa.int64()),
})
pq.write_table(table, pathlib.Path(__file__).parent / "lakes.parquet", compression="snappy")
