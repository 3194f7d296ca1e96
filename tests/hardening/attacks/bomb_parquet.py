"""A table of twenty million rows in some hundred kilobytes."""

from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet


def attack(folder: Path) -> list[str]:
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(2_000_000, np.int32)), pyarrow.array(["x"]))
    table = pyarrow.table({"truth": column, "a": column})
    with parquet.ParquetWriter(folder / "votes.parquet", table.schema) as writer:
        for _ in range(10):
            writer.write_table(table)
    return ["search", "votes.parquet"]
