"""The implementations that are measured. Each gives a trainer for a setting, which runs one phase per call.

This module needs Stable-Baselines3 only, so that an interpreter with another implementation can import it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from benchmarks.measurements.settings import LEADING, Setting, setting
from benchmarks.measurements.stable_baselines import StableBaselines


class Trainer(Protocol):
    """PPO in a setting, as it is measured: each phase once per call."""

    def rollout(self) -> None:
        """Only a rollout."""

    def update(self) -> None:
        """Only an update, on the rollout collected last."""

    def end_to_end(self) -> None:
        """A whole iteration of training."""


class Side(Protocol):
    """An implementation of PPO, with its title for the tables."""

    @property
    def title(self) -> str:
        """For the tables."""

    @property
    def limit(self) -> str:
        """The side that has the least time possible: its environments and matrix products alone."""

    def trainer(self, chosen: Setting, device: str) -> Trainer:
        """What is measured.

        :param chosen: the setting
        :param device: of torch, unless the implementation sets it
        :raises ValueError: when the implementation cannot express the setting
        """


@dataclass(frozen=True)
class Class:
    """A class with the constructor and the methods of SB3's on-policy algorithms.

    :param title: for the tables
    :param module: where its class is
    :param name: of its class; in a recurrent setting, "Recurrent" is put before it
    :param arguments: beside those of the setting
    :param vec_env: kind of the environments' vector
    :param limit: as in :class:`Side`
    """

    title: str
    module: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    vec_env: str = "dummy"
    limit: str = "limit"

    def model(self, chosen: Setting, device: str = "cpu", **arguments: Any) -> Any:
        """A model for a setting.

        :param chosen: the setting
        :param device: of torch, unless the implementation sets it
        :param arguments: in addition to those of the implementation
        """
        own = {"seed": 0, "device": device} | chosen.arguments | self.arguments | arguments
        module, name = self.module, self.name
        if chosen.recurrent:
            module, name = module.replace("stable_baselines3", "sb3_contrib"), f"Recurrent{name}"
        cls = getattr(importlib.import_module(module), name)
        return cls(chosen.policy, chosen.vec_env(self.vec_env), **own)

    def trainer(self, chosen: Setting, device: str) -> Trainer:
        """As in :class:`Side`.

        :param chosen: the setting
        :param device: of torch
        """
        return StableBaselines(self.model(chosen, device))


@dataclass(frozen=True)
class Adapted:
    """A library with another interface, and the module here whose class ``Trainer`` adapts it.

    :param title: for the tables
    :param module: name of it
    :param arguments: of ``Trainer``, beside setting and device
    :param limit: as in :class:`Side`
    """

    title: str
    module: str
    arguments: dict[str, Any] = field(default_factory=dict)
    limit: str = "limit"

    def trainer(self, chosen: Setting, device: str) -> Trainer:
        """As in :class:`Side`.

        :param chosen: the setting
        :param device: of torch
        """
        module = importlib.import_module(f"benchmarks.measurements.{self.module}")
        made: Trainer = module.Trainer(chosen, device, **self.arguments)
        return made


STOCK = Class("stock PPO", "stable_baselines3", "PPO")
_own = partial(Class, module="sb3_ppo_variants")
_compiled = partial(_own, name="VariantPPO", arguments={"compile": "strict"})
SIDES: dict[str, Side] = {
    "stock": STOCK,
    # How far a ratio is from 1 where nothing differs.
    "stock_again": Class("stock PPO in another process", "stable_baselines3", "PPO"),
    "stock_subprocess": Class("stock PPO, SubprocVecEnv", "stable_baselines3", "PPO", vec_env="subprocess"),
    "eager": _own("VariantPPO", name="VariantPPO"),
    "log_kl": _own("VariantPPO, log_kl", name="VariantPPO", arguments={"log_kl": True}),
    "kl_penalty": _own("KLPenaltyPPO", name="KLPenaltyPPO"),
    "compiled": _compiled("VariantPPO, compiled"),
    "compiled_envpool": _compiled("VariantPPO, compiled, EnvPool", vec_env="envpool", limit="limit_envpool"),
    # Its update is compiled in part, which "strict" refuses.
    "compiled_in_part": _own("VariantPPO, compile=True", name="VariantPPO", arguments={"compile": True}),
    "single_file": Adapted("a single file of PyTorch", "single_file"),
    "single_file_lstm": Adapted("a single file of PyTorch", "single_file_lstm"),
    "sbx": Class("SBX", "sbx", "PPO"),
    "tianshou": Adapted("tianshou", "tianshou_ppo"),
    "rlox": Adapted("rlox", "rlox_ppo"),
    "limit": Adapted("environment and matrix products alone", "limits"),
    "limit_envpool": Adapted(
        "EnvPool and matrix products alone", "limits", {"vec_env": "envpool"}, limit="limit_envpool"
    ),
    "beside": Adapted("VariantPPO, part by part", "beside"),
    # For comparison, where the others run on a GPU.
    "stock_on_cpu": Class("stock PPO on the CPU", "stable_baselines3", "PPO", {"device": "cpu"}),
    "compiled_on_cpu": _own(
        "VariantPPO on the CPU, compiled", name="VariantPPO", arguments={"compile": "strict", "device": "cpu"}
    ),
}
# Those that the interpreter given on the command line may have.
OTHERS = ["sbx", "tianshou", "rlox"]
# Those that --sides may name.
OWN = [name for name in SIDES if name not in [*OTHERS, "beside"]]
_USUAL = ["stock", "stock_again", "eager", "log_kl", "kl_penalty", "compiled", "single_file"]
_USUAL += [*OTHERS, "limit"]
_VECTORS = ["stock", "stock_subprocess", "compiled", "compiled_envpool", "sbx", "limit", "limit_envpool"]

_RECURRENT = ["stock", "stock_again", "eager", "compiled_in_part", "single_file_lstm"]


def sides_in(name: str) -> list[str]:
    """The sides that are measured in a setting: every implementation, kinds of vectors, or ways to train LSTM policies.

    :param name: letter of the setting
    """
    if setting(name).recurrent:
        return _RECURRENT
    return _USUAL if name in LEADING else _VECTORS
