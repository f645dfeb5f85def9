"""The examples run, in a short form."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples import cluster, custom_term, lstm, masked, masks_with_lstm, plot_coefficients


def test_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masked, "STEPS", 256)
    assert masked.main().num_timesteps == 256


def test_lstm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lstm, "STEPS", 256)
    assert lstm.main().num_timesteps == 256


def test_masks_with_lstm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks_with_lstm, "STEPS", 480)
    assert masks_with_lstm.main().num_timesteps == 480


def test_custom_term(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom_term, "STEPS", 256)
    assert custom_term.main().num_timesteps == 256


def test_plot_coefficients(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plot_coefficients, "STEPS", 768)
    monkeypatch.setattr(plot_coefficients, "PICTURE", tmp_path / "drawn.svg")
    callback = plot_coefficients.main()
    assert callback.steps == [256, 512, 768]  # one for each update
    assert all(len(values) == len(callback.steps) for values in callback.values.values())
    assert (tmp_path / "drawn.svg").read_text().startswith("<?xml")


@pytest.mark.slow
def test_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster, "STEPS", 512)
    monkeypatch.setattr(cluster, "SEEDS", 1)
    monkeypatch.setattr(cluster, "RESULTS", tmp_path)
    assert cluster.main() == 0
    assert (tmp_path / "cluster_example" / "report.md").is_file()
