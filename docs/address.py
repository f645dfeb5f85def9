"""Where the project is: the address in pyproject.toml, and what README and the site make of it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
INSTALL = """```
pip install torch=={torch}     # first: pytorch.org has the command for each build; that for CPUs is enough
pip install {package}
```"""
CHECKOUT = '".[bench]"        # in a checkout of this repository; without [bench]: the classes alone'
DISTRIBUTION = '"sb3-ppo-variants[bench] @ git+{address}"    # without [bench]: the classes alone'


def address() -> str:
    """The repository in ``[project.urls]`` of pyproject.toml; empty while the project has no address."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project.get("urls", {}).get("Repository", "")).rstrip("/")


def install() -> str:
    """The commands that install the project: from its address, or from a checkout while it has none."""
    (torch,) = re.findall(r"^torch==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    package = DISTRIBUTION.format(address=address()) if address() else CHECKOUT
    return INSTALL.format(torch=torch, package=package)


def theme_options() -> dict[str, str]:
    """Furo's options for links from each page of the site to its source; none without an address."""
    if not address():
        return {}
    return {"source_repository": address(), "source_branch": "main", "source_directory": ""}
