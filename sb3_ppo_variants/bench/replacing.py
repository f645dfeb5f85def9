"""A file that is replaced as a whole: after a kill, or a power cut, it is the earlier one or the new one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside a file; what the block writes there takes the place of the file by one rename.

    :param path: of the file
    :return: of the file to write, which is removed if the block raises
    """
    temporary = path.with_name(f".{path.name}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file by a text, in UTF-8.

    :param path: of the file
    :param text: its content
    """
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
