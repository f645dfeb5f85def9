from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.table.logs import write_log


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs" / "ppo"
    write_log(folder / "CartPole-v1_1", "CartPole-v1", 2861)
    # A name that another environment's name contains.
    write_log(folder / "CartPole-v10_1", "CartPole-v10", 1)
    return folder
