"""What an update does beside its gradient steps, as it is measured."""

from __future__ import annotations

import pytest

from benchmarks.measurements.beside import PARTS, Trainer
from benchmarks.measurements.settings import setting


@pytest.mark.parametrize("part", PARTS)
def test_every_part_runs(part: str) -> None:
    trainer = Trainer(setting("B"), "cpu")
    trainer.rollout()
    getattr(trainer, part)()
