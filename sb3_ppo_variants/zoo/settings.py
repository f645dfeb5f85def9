"""The hyperparameter files of the variants, found without ``--conf-file``."""

from __future__ import annotations

import argparse
from pathlib import Path

from sb3_ppo_variants.zoo.algorithms import ALGORITHMS, host

HYPERPARAMETERS = Path(__file__).parent / "hyperparams"


def with_conf_file(arguments: list[str]) -> list[str]:
    """Add this package's hyperparameter file where a variant is trained and no file is named.

    RL Zoo looks for ``<algorithm>.yml`` in its own folder only.

    :param arguments: of ``rl_zoo3 train``
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--algo", default="ppo")
    parser.add_argument("-conf", "--conf-file")
    known, _ = parser.parse_known_args(arguments)
    if known.conf_file is not None or known.algo not in ALGORITHMS:
        return arguments
    return ["--conf-file", str(HYPERPARAMETERS / f"{host(known.algo)}.yml"), *arguments]
