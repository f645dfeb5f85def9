"""A file is replaced as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sb3_ppo_variants.bench.replacing import replacing, write_text


def test_a_file_is_the_earlier_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    write_text(path, "earlier é")
    with replacing(path) as temporary:
        temporary.write_text("new", "utf-8")
        assert path.read_text("utf-8") == "earlier é"
    assert path.read_text("utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_the_earlier_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    write_text(path, "earlier")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of it", "utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text("utf-8") == "earlier"
    assert list(tmp_path.iterdir()) == [path]
