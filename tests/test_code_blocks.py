"""Every block of code in the documentation: Python runs, commands exist, and no block escapes."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from sb3_ppo_variants import DualClipPPO
from sb3_ppo_variants.bench.cli import _parser
from sb3_ppo_variants.zoo.__main__ import COMMANDS, SCRIPTS
from tests.pages import MARKDOWN, ROOT, Block, blocks, name_of, prose

# Blocks without a language are commands too, as are some of README's.
SHELL = ("bash", "")
# What else a block may be: studies are read in tests/bench/test_docs.py, the site's build sets equations and contents,
# text is what a command has printed, and tests/docs/test_paper.py compiles the LaTeX.
ELSEWHERE = ("yaml", "math", "text", "latex", "{toctree}")
PYTHON_PAGES = [page for page in MARKDOWN if blocks(page, "python")]
SHELL_BLOCKS = [block for page in MARKDOWN for block in blocks(page, *SHELL)]
# Commands of other projects and of the shell, and scripts that are the reader's own.
OTHER_PROGRAMS = {"cat", "cd", "cp", "dask", "export", "mkdir", "pre-commit", "python3", "source", "tensorboard"}
READERS_SCRIPTS = {"train.py"}
# Steps of a rollout; the buffer allocates as many at its next reset.
SHORT = 128
# What a block has that needs an extra which `make test` does not install.
OF_EXTRAS = {"import wandb": "wandb", '"Walker2d-v5"': "mujoco"}
INLINE = re.compile(r"`((?:ppo-bench \w+ |make |python -m docs|python -m benchmarks)[^`]*)`")


@pytest.mark.parametrize("page", MARKDOWN, ids=name_of)
def test_no_block_escapes(page: Path) -> None:
    """Every fence begins a line and names a language that is tested, and nothing is code by indentation."""
    known = {"python", *SHELL, *ELSEWHERE}
    assert {block.language for block in blocks(page)} <= known
    rest = prose(page)
    assert not re.search(r"^\s*(```|~~~)", rest, re.MULTILINE)
    assert not re.search(r"^\s*\n {4,}\S", rest, re.MULTILINE)
    assert ">>>" not in rest


@pytest.mark.parametrize("page", PYTHON_PAGES, ids=name_of)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks of a page one after the other, as a reader would, but `learn` ends after one short update."""
    learn = OnPolicyAlgorithm.learn

    def learn_once(model: Any, total_timesteps: int, *args: Any, **kwargs: Any) -> Any:
        model.n_epochs = 1
        model.n_steps = model.rollout_buffer.buffer_size = min(model.n_steps, SHORT)
        return learn(model, min(total_timesteps, 1), *args, **kwargs)

    monkeypatch.setattr(OnPolicyAlgorithm, "learn", learn_once)
    monkeypatch.chdir(tmp_path)
    PPO("MlpPolicy", "CartPole-v1").save("from_somebody")  # what differences.md loads
    DualClipPPO("MlpPolicy", "CartPole-v1").save("results/mine/dual_clip/CartPole-v1_0-0/best_model")  # and studies.md
    shutil.copytree(ROOT / "benchmarks/published/quickstart", "results/quickstart")  # and paper.md
    namespace: dict[str, Any] = {}
    for block in blocks(page, "python"):
        if any(text in block.code and find_spec(module) is None for text, module in OF_EXTRAS.items()):
            continue
        exec(compile(block.code, str(block), "exec"), namespace)


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=str)
def test_commands_exist(block: Block) -> None:
    checked = subprocess.run(["bash", "-n"], input=block.code, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    for command in commands(block.code):
        check_command(command)


def test_commands_within_a_line_exist() -> None:
    found = [shlex.split(command) for page in MARKDOWN for command in INLINE.findall(prose(page))]
    assert len(found) > 20
    for command in found:
        names_a_study = any(word.endswith(".yaml") for word in command)
        check_command(command if names_a_study or command[0] != "ppo-bench" else [*command, "study.yaml"])


@pytest.mark.parametrize(
    "command",
    ["ppo-bench rum study.yaml", "ppo-bench run study.yaml --wrokers 2", "make dmeo", "pip install '.[bensh]'",
     "python -m sb3_ppo_variants.zoo trian", "python -m benchmarks.sped", "tranposify"],
)  # fmt: skip
def test_a_wrong_command_is_found(command: str) -> None:
    with pytest.raises(AssertionError):
        check_command(shlex.split(command))


def commands(code: str) -> Iterator[list[str]]:
    """The words of each command of a block, without comments and variables set for it; a variable stands for 1."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(re.sub(r"\$\w+", "1", line), comments=True)
        while words and re.match(r"[A-Z_0-9]+=", words[0]):
            words = words[1:]
        if words:
            yield words


def check_command(words: list[str]) -> None:
    words = words[: words.index("&")] if "&" in words else words
    program, arguments = Path(words[0]).name, words[1:]
    if program == "ppo-bench":
        assert not complaint_of(_parser(), arguments)
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), words
    elif program == "pip":
        assert extras(arguments) <= extras_of_the_package(), words
    elif program in ("python", "pytest"):
        check_python(arguments if program == "python" else ["-m", "pytest", *arguments])
    else:
        assert program in OTHER_PROGRAMS, words


def check_python(arguments: list[str]) -> None:
    """A script or a module of the repository, or one that another project is known for."""
    if arguments[0] == "-c":
        compile(arguments[1], "-c", "exec")
    elif arguments[:2] == ["-m", "sb3_ppo_variants.zoo"]:
        assert arguments[2] in (*COMMANDS, *SCRIPTS)
    elif arguments[:2] == ["-m", "pytest"]:
        assert all((ROOT / path).exists() for path in arguments[2:] if not path.startswith("-")), arguments
    elif arguments[0] == "-m" and arguments[1].split(".")[0] in ("benchmarks", "docs"):
        place = ROOT / arguments[1].replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), arguments
    elif arguments[0] == "-m":
        assert arguments[1] in ("rl_zoo3.train", "venv", "build"), arguments
    else:
        assert arguments[0] in READERS_SCRIPTS or (ROOT / arguments[0]).is_file(), arguments


def complaint_of(parser: argparse.ArgumentParser, arguments: list[str]) -> bool:
    try:
        parser.parse_args(arguments)
    except SystemExit:
        return True
    return False


def extras(arguments: list[str]) -> set[str]:
    """What stands in brackets behind this package."""
    found = [re.fullmatch(r"(?:\.|sb3-ppo-variants)\[([\w,]+)\](?: @ git\+\S+)?", argument) for argument in arguments]
    return {extra for match in found if match for extra in match[1].split(",")}


def extras_of_the_package() -> set[str]:
    section = (ROOT / "pyproject.toml").read_text().split("[project.optional-dependencies]")[1].split("\n[")[0]
    return set(re.findall(r"^([\w-]+) = \[", section, re.MULTILINE))
