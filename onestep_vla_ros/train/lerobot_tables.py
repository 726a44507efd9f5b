# SPDX-License-Identifier: Apache-2.0
"""Parquet files of a LeRobot dataset, as bytes that depend on their content alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import DatasetError


def data_table(columns: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Return frames as a parquet file: (N,) arrays as values, (N, D) as lists of length D."""
    arrays = {}
    for name, values in columns.items():
        flat = pa.array(np.ascontiguousarray(values).reshape(-1))
        if values.ndim == 2:
            flat = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        arrays[name] = flat
    return _bytes(pa.table(arrays))


def rows_table(rows: Sequence[Mapping[str, object]]) -> bytes:
    """Return rows with the same keys, of plain values and lists, as a parquet file."""
    return _bytes(pa.Table.from_pylist([dict(row) for row in rows]))


def tasks_table(sentences: Sequence[str]) -> bytes:
    """Return tasks.parquet: a data frame whose index holds the sentences, as pandas writes it."""
    table = pa.table(
        {
            "task_index": pa.array(range(len(sentences)), pa.int64()),
            "task": pa.array(sentences, pa.string()),
        }
    )
    column = {"field_name": "task_index", "name": "task_index", "metadata": None}
    index = {"field_name": "task", "name": "task", "metadata": None}
    described = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            column | {"pandas_type": "int64", "numpy_type": "int64"},
            index | {"pandas_type": "unicode", "numpy_type": "object"},
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.0.0",
    }
    return _bytes(table.replace_schema_metadata({"pandas": json.dumps(described)}))


def read_table(path: Path) -> pa.Table:
    """Return a parquet file's table, its page checksums verified.

    Raises:
        DatasetError: The file is missing, truncated or damaged.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read()
    except FileNotFoundError:
        raise DatasetError("missing") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).replace("\n", " ")
        raise DatasetError("cannot be read", got=reason, allowed="a whole parquet file") from None


def column(table: pa.Table, name: str, dtype: str, width: int = 0) -> NDArray[Any]:
    """Return a column as (N,), or (N, `width`) for lists.

    Raises:
        DatasetError: The column is missing, has gaps, another type or another length.
    """
    if name not in table.column_names:
        raise DatasetError(f"{name}: missing", allowed=table.column_names)
    array = table[name].combine_chunks()
    allowed = f"{dtype} lists of length {width}" if width else dtype
    wrong = DatasetError(f"{name}: wrong type", got=str(array.type), allowed=allowed)
    kind = array.type
    if width:
        if not (pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)):
            raise wrong
        if array.null_count or not set(pc.list_value_length(array).to_pylist()) <= {width}:
            raise DatasetError(f"{name}: wrong length", allowed=f"lists of length {width}")
        array, kind = array.flatten(), kind.value_type
    if kind != pa.type_for_alias(dtype):
        raise wrong
    if array.null_count:
        raise DatasetError(f"{name}: got: {array.null_count} gaps", allowed="none")
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values.reshape(-1, width) if width else values


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="snappy", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content
