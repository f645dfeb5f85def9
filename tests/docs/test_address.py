"""README, the front page and the site with an address of the project and without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import address, fill
from tests.pages import DOCS, ROOT

ADDRESS = "https://code.example/ppo/variants"
PAGE = "<!-- fill: install -->\n<!-- end -->\n"


def project(folder: Path, urls: str) -> None:
    (folder / "pyproject.toml").write_text(f'[project]\nname = "a"\n\n[project.urls]\n{urls}')
    (folder / "constraints.txt").write_text("# torch==1.0\ntorch==2.13.0\ntorchvision==0.28.0\n")


def test_without_an_address_a_checkout_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, "")
    monkeypatch.setattr(address, "ROOT", tmp_path)
    assert address.address() == ""
    assert address.theme_options() == {}
    (pinned, package) = [line for line in fill.filled(PAGE).splitlines() if line.startswith("pip")]
    assert pinned.startswith("pip install torch==2.13.0  ")
    assert package.startswith('pip install ".[bench]"  ')
    assert "in a checkout" in package


def test_with_an_address_it_is_installed_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, f'Repository = "{ADDRESS}/"\n')
    monkeypatch.setattr(address, "ROOT", tmp_path)
    assert address.address() == ADDRESS
    assert address.theme_options()["source_repository"] == ADDRESS
    (_, package) = [line for line in fill.filled(PAGE).splitlines() if line.startswith("pip")]
    assert package.startswith(f'pip install "sb3-ppo-variants[bench] @ git+{ADDRESS}"  ')
    assert "checkout" not in package


@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "index.md"], ids=lambda page: page.name)
def test_the_first_screen_installs_and_helps_to_choose(page: Path) -> None:
    first_screen = page.read_text().splitlines()[:30]
    assert "<!-- fill: install -->" in first_screen
    assert any("[Which one should I use?]" in line for line in first_screen)
