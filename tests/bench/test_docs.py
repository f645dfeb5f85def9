"""Every study in the documentation is valid, and the ready studies are what docs/studies.md says."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest
import yaml

from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.validation import load_study
from tests.bench.table.logs import write_log
from tests.pages import DOCS, MARKDOWN, ROOT, Block, blocks

STUDIES = DOCS / "studies.md"
TEXT = STUDIES.read_text()
BLOCKS = [block.code for block in blocks(STUDIES, "yaml")]
ALL = [block for page in MARKDOWN for block in blocks(page, "yaml")]
# The configuration of dask-jobqueue is the only other thing.
QUEUES = [block for block in ALL if block.code.startswith("jobqueue:")]


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the examples refer to: an installed rl_zoo3 and logs of runs."""
    ymls = tmp_path / "site" / "rl_zoo3" / "hyperparams"
    ymls.mkdir(parents=True)
    (ymls.parent / "__init__.py").touch()
    (ymls / "ppo.yml").write_text("CartPole-v1: {policy: MlpPolicy, n_envs: 8, n_steps: 32, learning_rate: lin_0.001}")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "rl_zoo3", raising=False)
    write_log(tmp_path / "logs" / "ppo" / "CartPole-v1_1", "CartPole-v1", 1, [[10.0]] * 10, every=10_000)
    episodes = "500.0,10000,1.0\n" * 10
    (tmp_path / "logs/ppo/CartPole-v1_1/0.monitor.csv").write_text(f'#{{"t_start": 0.0}}\nr,l,t\n{episodes}')
    return tmp_path


def example(block: str, folder: Path) -> Study:
    """Read a block of docs/studies.md; keys that it leaves out are those of the first block."""
    keys = yaml.safe_load(block).keys()
    rest = {key: value for key, value in yaml.safe_load(BLOCKS[0]).items() if key not in keys}
    (folder / "study.yaml").write_text((yaml.safe_dump(rest) if rest else "") + block)
    return load_study(folder / "study.yaml")


@pytest.mark.parametrize("block", [block for block in ALL if block not in QUEUES], ids=str)
def test_every_study_is_valid(block: Block, surroundings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the classes of one's own that its page writes into files."""
    monkeypatch.syspath_prepend(surroundings)
    for python in blocks(block.page, "python"):
        if named := re.match(r"# (\w+)\.py\n", python.code):
            (surroundings / f"{named[1]}.py").write_text(python.code)
    if block.page == STUDIES:
        assert example(block.code, surroundings).runs
    else:
        (surroundings / "study.yaml").write_text(block.code)
        assert load_study(surroundings / "study.yaml").runs


def test_all_studies_are_found() -> None:
    assert len(BLOCKS) == TEXT.count("```yaml") == 13
    assert len(ALL) > len(BLOCKS)
    assert QUEUES


@pytest.mark.parametrize("block", QUEUES, ids=str)
def test_job_queues_have_these_keys(block: Block) -> None:
    jobqueue = pytest.importorskip("dask_jobqueue")
    for queue, settings in yaml.safe_load(block.code)["jobqueue"].items():
        jobs = (getattr(jobqueue, f"{queue.upper()}Cluster").job_cls, jobqueue.core.Job)
        known = {name for job in jobs for name in inspect.signature(job).parameters}
        assert {key.replace("-", "_") for key in settings} <= known


def test_the_arms_that_the_page_names(surroundings: Path) -> None:
    (grid,) = [block for block in BLOCKS if "zip:" in block]
    arms = list(example(grid, surroundings).arms)
    assert len(arms) == 7
    assert arms[1] == "clip,n_epochs=10,net_arch=shallow"
    assert arms[5] == "schedule,clip_range=0.1,learning_rate=0.0001"
    (ablation,) = [block for block in BLOCKS if "one_added" in block]
    study = example(ablation, surroundings)
    assert {"full-without-dual", "full-base", "full-base-plus-dual", "short-without-kl_penalty"} < set(study.arms)
    assert study.ablations["short"].baseline is None


def test_every_key_is_on_the_page() -> None:
    table = TEXT.split("## Keys")[1].split("## How arguments are written")[0]
    fields = {field.alias or name for name, field in Study.model_fields.items()}
    assert fields <= set(re.findall(r"`(\w+)`", table))


@pytest.mark.parametrize(
    ("name", "axis", "levels"),
    [
        ("stress_epochs", "n_epochs", ["10", "30", "60"]),
        ("stress_learning_rate", "learning_rate", ["0.001", "0.003", "0.01"]),
        ("stress_depth", "net_arch", ["2_layers", "4_layers", "8_layers"]),
    ],
)
def test_stress_studies(name: str, axis: str, levels: list[str]) -> None:
    study = load_study(ROOT / f"benchmarks/studies/{name}.yaml")
    assert study.name == name
    assert len(study.runs) == 130
    (design,) = study.factors.values()
    assert [chosen[axis] for chosen in design.values()] == levels * 4
    assert list(dict.fromkeys(chosen["arm"] for chosen in design.values())) == [
        "clip", "dual_clip", "kl_penalty", "adaptive_clip",
    ]  # fmt: skip
    # The axis alone differs, and the environment's own setting gives way.
    runs = [study.run(arm, "Pendulum-v1", 0) for arm in design if arm.startswith("clip,")]
    assert len({run.identity for run in runs}) == 3
    assert {run.arguments["gamma"] for run in runs} == {0.9}


def test_the_depth_of_the_networks() -> None:
    study = load_study(ROOT / "benchmarks/studies/stress_depth.yaml")
    run = study.run("kl_penalty,net_arch=8_layers", "CartPole-v1", 0)
    assert run.arguments["policy_kwargs"] == {"net_arch": [64] * 8}
