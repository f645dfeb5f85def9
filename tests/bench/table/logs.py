"""A run folder as RL Zoo leaves it."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import yaml


def write_log(
    folder: Path,
    environment: str,
    seed: int,
    returns: Any = ((10, 20), (30, 50), (100, 300), (200, 400)),
    every: int = 64,
    algo: str = "ppo",
) -> None:
    """Write what rl_zoo3 2.9 leaves of a run, as far as it is read."""
    place = folder / environment.replace("/", "-")
    place.mkdir(parents=True)
    arguments = OrderedDict(algo=algo, env=environment, env_kwargs=None, eval_freq=every, n_timesteps=-1, seed=seed)
    (place / "args.yml").write_text(yaml.dump(arguments))
    (place / "config.yml").write_text(yaml.dump(OrderedDict(n_envs=1, n_timesteps=256.0, policy="MlpPolicy")))
    (folder / "0.monitor.csv").write_text(f'#{{"t_start": 0.0, "env_id": "{environment}"}}\nr,l,t\n10.0,10,0.1\n')
    np.savez(
        folder / "evaluations.npz",
        timesteps=np.arange(1, len(returns) + 1) * every,
        results=np.array(returns, dtype=np.float64),
        ep_lengths=np.array(returns, dtype=np.int64),
    )
