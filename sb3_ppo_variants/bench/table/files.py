"""The tables of a study as files, each of which is replaced as a whole."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from sb3_ppo_variants.bench.replacing import replacing
from sb3_ppo_variants.bench.runs.record import check_record
from sb3_ppo_variants.bench.runs.whole import LeftOut
from sb3_ppo_variants.bench.table.table import TIMING_TEXTS, Tables

TABLE_FILES = {
    "results.csv": "results",
    "timings.csv": "timings",
    "updates.csv.gz": "updates",
    "times.csv.gz": "times",
}
RECORDS_FILE = "records.json.gz"
DAMAGED = ".damaged"
# Bytes of a table for each run, uncompressed; ten times what 250 updates with thirty values take.
MOST_OF_RUN = 1_000_000
# With it pandas reads back exactly what it wrote; from 3.1 on that is the default, and the option draws a warning.
ROUND_TRIP: dict[str, Any] = (
    {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
)


class DamagedTables(Exception):
    """Why the tables of a study cannot be read.

    :param folder: of the study
    :param error: whatever pandas and others say of a damaged table
    """

    def __init__(self, folder: Path, error: Exception) -> None:
        self.folder = folder
        self.reason = " ".join(f"its tables cannot be read, {type(error).__name__}: {error}".split())
        super().__init__(f"{folder}: {self.reason}")

    @property
    def left_out(self) -> LeftOut:
        """The same as what no number comes from."""
        return LeftOut(self.folder, self.reason)


def write(tables: Tables, folder: Path) -> None:
    """Write ``results.csv`` (equal bytes for equal runs) and all else that a report needs, see :func:`read_files`.

    With an engine for it, ``results.parquet`` too.
    """
    for name, attribute in TABLE_FILES.items():
        # Floats are written with the fewest digits that read back to the same number.
        frame: pd.DataFrame = getattr(tables, attribute)
        with replacing(folder / name) as temporary:
            frame.to_csv(temporary, index=False, lineterminator="\n", compression=_compression(name))
    packed = gzip.compress(json.dumps(tables.records).encode(), 6, mtime=0)
    with replacing(folder / RECORDS_FILE) as temporary:
        temporary.write_bytes(packed)
    _write_parquet(tables.results, folder)


@contextlib.contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Raise :class:`DamagedTables` for whatever reading damaged tables raises within the block."""
    try:
        yield
    except Exception as error:
        raise DamagedTables(folder, error) from error


def has_tables(folder: Path) -> bool:
    """Whether :func:`write` wrote tables into a folder."""
    return (folder / RECORDS_FILE).exists()


def set_aside(folder: Path) -> None:
    """Keep damaged tables, of which a part may be whole; those that were kept first have the most runs."""
    for name in (*TABLE_FILES, RECORDS_FILE):
        path, kept = folder / name, folder / f"{name}{DAMAGED}"
        if path.exists() and not kept.exists():
            path.rename(kept)


def read_files(folder: Path) -> Tables:
    """Read what :func:`write` wrote, within :func:`readable`."""
    most = MOST_OF_RUN * ((folder / "timings.csv").read_bytes().count(b"\n") + 1)
    results, timings, updates, times = (_frame(folder / name, most) for name in TABLE_FILES)
    records = json.loads(_content(folder / RECORDS_FILE, most))
    for record in records:
        check_record(record)
    return Tables(results, timings, updates, times, records)


def _frame(path: Path, most: int) -> pd.DataFrame:
    # An arm may be called 10 or NA; to_csv writes what is missing as nothing.
    texts = dict.fromkeys(("arm", "environment", "identity"), str)
    content = _content(path, most)
    if not content.endswith(b"\n"):
        raise ValueError(f"{path.name} ends within a line")
    frame: pd.DataFrame = pd.read_csv(
        io.BytesIO(content), dtype=texts, keep_default_na=False, na_values=[""], **ROUND_TRIP
    )
    numbers = frame.select_dtypes(["number", "bool"]).columns
    for name in set(frame.columns).difference(texts, TIMING_TEXTS, numbers if len(frame) else frame.columns):
        raise ValueError(f"{path.name} has a text among its numbers, in column {name}")
    return frame


def _content(path: Path, most: int) -> bytes:
    """Read a file, and no more of it than so many bytes, whatever it holds compressed."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        content: bytes = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path.name} is larger than {most} bytes")
    return content


def _compression(name: str) -> Any:
    # Without the time, so that equal tables give equal bytes. Level 9 takes twice the time of 6 for 1 % less.
    return {"method": "gzip", "mtime": 0, "compresslevel": 4} if name.endswith(".gz") else None


def _write_parquet(results: pd.DataFrame, folder: Path) -> None:
    """Write ``results.parquet`` when pandas has an engine for it; without one, remove an old file."""
    path = folder / "results.parquet"
    try:
        with replacing(path) as temporary:
            results.to_parquet(temporary, index=False)
    except ImportError:
        path.unlink(missing_ok=True)
