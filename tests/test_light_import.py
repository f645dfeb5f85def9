"""What is loaded: without ``compile``, no more of torch than stock PPO loads, and nothing of the compiled part."""

from __future__ import annotations

import json
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
    "cache_dir": "torch._inductor.runtime.cache_dir_utils",
    "make_fx": "torch.fx.experimental.proxy_tensor",
    "GuardOnDataDependentSymNode": "torch.fx.experimental.symbolic_shapes",
    "tree_flatten": "torch.utils._pytree",
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


def test_importing_the_package_alone_imports_neither_torch_nor_sb3() -> None:
    code = "import sys, sb3_ppo_variants; print(*{'torch', 'stable_baselines3', 'sb3_contrib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize("command", ["status", "watch", "plan --no-calibration"])
def test_commands_that_draw_nothing_do_not_import_matplotlib(command: str, tmp_path: Path) -> None:
    study = Path(__file__).parent.parent / "benchmarks/studies/quickstart.yaml"
    code = (
        "import sys; from sb3_ppo_variants.bench.cli import main; code = main(sys.argv[1:]); "
        "print('matplotlib' in sys.modules); sys.exit(code)"
    )
    arguments = [sys.executable, "-c", code, *command.split(), str(study), "--results", str(tmp_path)]
    assert subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.endswith("False\n")


HIDE = """
import importlib, json, sys, warnings
import sb3_ppo_variants
importlib.import_module("torch._inductor.compile_fx")  # torch needs these names too: it has them by now
arguments = dict(policy="MlpPolicy", env="CartPole-v1", n_steps=32, batch_size=16, n_epochs=2, seed=0)
plain = sb3_ppo_variants.VariantPPO(**arguments).learn(64)
for name, where in json.loads(sys.argv[1]).items():
    module = importlib.import_module(where)
    hidden = getattr(module, name)
    delattr(module, name)
    for loaded in [loaded for loaded in sys.modules if loaded.startswith("sb3_ppo_variants.compiled")]:
        del sys.modules[loaded]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = sb3_ppo_variants.VariantPPO(**arguments, compile=True).learn(64)
    weights = zip(plain.policy.parameters(), model.policy.parameters())
    said = [str(warning.message) for warning in caught if "runs in eager mode" in str(warning.message)]
    try:
        strict = str(sb3_ppo_variants.VariantPPO(**arguments, compile="strict"))
    except ImportError as error:
        strict = str(error)
    print(json.dumps([name, said, strict, all(bool((one == other).all()) for one, other in weights)]))
    setattr(module, name, hidden)
"""


def test_without_a_private_name_of_torch_compile_falls_back() -> None:
    done = subprocess.run([sys.executable, "-c", HIDE, json.dumps(PRIVATE)], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == list(PRIVATE)
    for name, said, strict, same in rows:
        assert len(said) == 1
        assert f"cannot import name '{name}'" in said[0]
        assert f"cannot import name '{name}'" in strict
        assert same


def _empty_package(*_: Any, package_path: str, **__: Any) -> str:
    """Stands for the compiler, which takes a minute."""
    Path(package_path).touch()
    return package_path


@pytest.mark.parametrize("name", ["aoti_compile_and_package", "aoti_load_package"])
def test_without_a_private_function_of_torch_compile_falls_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("torch._inductor.aoti_compile_and_package", _empty_package)
    monkeypatch.delattr(f"torch._inductor.{name}")
    arguments: dict[str, Any] = {"n_steps": 32, "batch_size": 16, "n_epochs": 2, "seed": 0}
    with pytest.warns(UserWarning, match=f"runs in eager mode.*{name}"):
        model = VariantPPO("MlpPolicy", "CartPole-v1", compile=True, **arguments).learn(64)
    assert same_weights(model, VariantPPO("MlpPolicy", "CartPole-v1", **arguments).learn(64))
