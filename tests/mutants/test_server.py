from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("cosmic_ray")

from tests.mutants.__main__ import server


def test_a_server_that_ends_at_once_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(SystemExit, match=r"^the server of tests ended with exit code 1 before"), server(tmp_path):
        pass
