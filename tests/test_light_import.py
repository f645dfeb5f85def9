"""What is loaded: without ``compile``, no more of torch than stock PPO loads, and nothing of the compiled part."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sb3_ppo_variants import VariantPPO
from tests.models import same_weights

TRAIN = """
import sys
from {module} import {name}
{name}("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=16, n_epochs=2, seed=0, device="cpu").learn(64)
print(*sorted(name for name in sys.modules if name.split(".")[0] in ("torch", "sb3_ppo_variants")))
"""
# Private names of torch that native code is made with, and where.
PRIVATE = {
    "torch._inductor.runtime.cache_dir_utils": "cache_dir",
    "torch.fx.experimental.proxy_tensor": "make_fx",
    "torch.fx.experimental.symbolic_shapes": "GuardOnDataDependentSymNode",
    "torch.utils._pytree": "tree_flatten",
}


def modules_after_training(module: str, name: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", TRAIN.format(module=module, name=name)], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_eager_training_loads_no_more_of_torch_than_stock() -> None:
    stock = modules_after_training("stable_baselines3", "PPO")
    ours = modules_after_training("sb3_ppo_variants", "VariantPPO")
    # sb3-contrib is a dependency, and what it loads is no matter of this package.
    assert "torch.optim.adam" in ours
    assert not {name for name in ours - stock if name.startswith("torch")}
    assert not {name for name in ours if name.startswith("sb3_ppo_variants.compiled")}


def small(**arguments: Any) -> VariantPPO:
    return VariantPPO("MlpPolicy", "CartPole-v1", n_steps=32, batch_size=16, n_epochs=2, seed=0, **arguments)


@pytest.mark.parametrize(("module", "name"), PRIVATE.items())
def test_without_a_private_name_of_torch_compile_falls_back(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    # torch needs these names itself: only imports from here on miss them.
    importlib.import_module("torch._inductor.compile_fx")
    for loaded in [loaded for loaded in sys.modules if loaded.startswith("sb3_ppo_variants.compiled")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.delattr(importlib.import_module(module), name)
    with pytest.warns(UserWarning, match=f"runs in eager mode.*{name}"):
        model = small(compile=True)
    assert same_weights(model.learn(64), small().learn(64))
    with pytest.raises(ImportError, match=name):
        small(compile="strict")


@pytest.mark.parametrize("name", ["aoti_compile_and_package", "aoti_load_package"])
def test_without_a_private_function_of_torch_compile_falls_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.delattr(f"torch._inductor.{name}")
    with pytest.warns(UserWarning, match=f"runs in eager mode.*{name}"):
        model = small(compile=True).learn(64)
    assert same_weights(model, small().learn(64))
