"""The hyperparameter files of this package, by name."""

from __future__ import annotations

import argparse
from pathlib import Path

from sb3_ppo_variants.zoo.algorithms import ALGORITHMS, host

HYPERPARAMETERS = {path.stem: path for path in sorted((Path(__file__).parent / "hyperparams").glob("*.yml"))}


def with_conf_file(arguments: list[str]) -> list[str]:
    """Give ``--conf-file`` the path of the file of this package that it names, or without it the file of a variant.

    RL Zoo looks for ``<algorithm>.yml`` in its own folder only.

    :param arguments: of ``rl_zoo3 train``
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--algo", default="ppo")
    parser.add_argument("-conf", "--conf-file")
    known, _ = parser.parse_known_args(arguments)
    name = known.conf_file or (host(known.algo) if known.algo in ALGORITHMS else None)
    # Of two --conf-file argparse takes the last.
    return [*arguments, "--conf-file", str(HYPERPARAMETERS[name])] if name in HYPERPARAMETERS else arguments
