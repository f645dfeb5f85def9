from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.study.hyperparameters import Hyperparameters, hyperparameters
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.bench.validation import StudyMistakes, load_study, read_study
from tests.bench.conftest import WriteStudy
from tests.bench.studies import mistakes

PPO, VARIANT = "stable_baselines3.PPO", "sb3_ppo_variants.VariantPPO"
ROOT = Path(__file__).parents[3]
YML = """
default:
  n_timesteps: !!float 1e6
  policy: MlpPolicy

atari:
  env_wrapper:
    - stable_baselines3.common.atari_wrappers.AtariWrapper
  frame_stack: 4
  policy: CnnPolicy

CartPole-v1: &cart-pole
  n_envs: 8
  n_timesteps: !!float 1e5
  policy: MlpPolicy
  n_steps: 32
  gamma: 0.98
  learning_rate: lin_0.001
  normalize: "{'norm_obs': True, 'norm_reward': False}"
  policy_kwargs: "dict(log_std_init=-2, activation_fn=nn.ReLU, net_arch=dict(pi=[8, 8], vf=[8]))"

Acrobot-v1:
  <<: *cart-pole
  env_wrapper:
    - gymnasium.wrappers.OrderEnforcing:
        disable_render_order_enforcing: true
    - gymnasium.wrappers.FlattenObservation

Callback-v0: {policy: MlpPolicy, callback: some.Callback}
Code-v0: {policy: MlpPolicy, policy_kwargs: "__import__('os').getcwd()"}
"""
STUDY = """
    name: tuned
    total_timesteps: 1000
    seeds: 1
    n_envs: 2
    evaluation: {every: 100}
    arguments: {device: cpu, n_steps: 16, vf_coef: 1.0}
    environments: [CartPole-v1]
    arms:
      tuned: {algorithm: stable_baselines3.PPO, hyperparams: ppo.yml, arguments: {gamma: 0.9}}
"""


@pytest.fixture
def yml(tmp_path: Path) -> str:
    (tmp_path / "ppo.yml").write_text(YML)
    return str(tmp_path / "ppo.yml")


@pytest.fixture
def installed(yml: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package called rl_zoo3 that cannot be imported, but has the ymls."""
    folder = tmp_path / "site" / "rl_zoo3" / "hyperparams"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise ImportError('must not be imported')")
    (folder / "ppo.yml").write_text(YML)
    (folder / "ppo_lstm.yml").write_text("CartPole-v1: {policy: MlpLstmPolicy, n_steps: 64}")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "rl_zoo3", raising=False)


def test_an_entry_as_a_study_reads_it(yml: str) -> None:
    assert hyperparameters(yml, PPO, "CartPole-v1") == Hyperparameters(
        arguments={
            "n_steps": 32,
            "gamma": 0.98,
            "learning_rate": "lin_0.001",
            "policy_kwargs": {
                "log_std_init": -2,
                "activation_fn": "torch.nn.ReLU",
                "net_arch": {"pi": [8, 8], "vf": [8]},
            },
        },
        policy="MlpPolicy",
        n_envs=8,
        normalize={"norm_obs": True, "norm_reward": False},
    )


def test_an_id_with_its_module_has_the_entry_of_the_plain_one(yml: str) -> None:
    with Path(yml).open("a") as file:
        file.write('"mine:CartPole-v1": {policy: MlpPolicy, n_steps: 8}\n')
    assert hyperparameters(yml, PPO, "gymnasium:CartPole-v1") == hyperparameters(yml, PPO, "CartPole-v1")
    assert hyperparameters(yml, PPO, "mine:CartPole-v1").arguments == {"n_steps": 8}


def test_callbacks_of_an_entry(yml: str) -> None:
    assert hyperparameters(yml, PPO, "Callback-v0").callbacks == [{"some.Callback": {}}]
    assert hyperparameters(yml, PPO, "CartPole-v1").callbacks is None


def test_wrappers_of_an_entry(yml: str) -> None:
    assert hyperparameters(yml, PPO, "Acrobot-v1").env_wrapper == [
        {"gymnasium.wrappers.OrderEnforcing": {"disable_render_order_enforcing": True}},
        {"gymnasium.wrappers.FlattenObservation": {}},
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CartPole-v1: {gamma: 0.9, gamma: 0.8}", "'gamma' is said twice"),
        ("CartPole-v1: {1: 2}", "1 is no name"),
        ("1: {gamma: 0.9}", "1 is no name"),
        ("CartPole-v1: {policy_kwargs: '{[1]: 2}'}", "policy_kwargs: .* is more than plain values"),
        (f"CartPole-v1: {{policy_kwargs: '{'-' * 10_000}1'}}", "policy_kwargs: .* is more than plain values"),
    ],
)
def test_a_yml_of_ones_own_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.yml").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        hyperparameters(str(tmp_path / "own.yml"), PPO, "CartPole-v1")
    assert "\n" not in str(caught.value)


def test_a_yml_that_is_changed_is_read_again(tmp_path: Path) -> None:
    """As in a notebook."""
    path = tmp_path / "own.yml"
    for gamma in (0.9, 0.8):
        path.write_text(f"CartPole-v1: {{gamma: {gamma}}}")
        assert hyperparameters(str(path), PPO, "CartPole-v1").arguments == {"gamma": gamma}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ("Code-v0", "policy_kwargs: .* is more than plain values"),
    ],
)
def test_what_a_study_cannot_honour(yml: str, environment: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hyperparameters(yml, PPO, environment)


@pytest.mark.usefixtures("installed")
def test_the_file_of_the_installed_rl_zoo() -> None:
    assert hyperparameters("zoo", PPO, "CartPole-v1").n_envs == 8
    assert hyperparameters("zoo", "sb3_ppo_variants.DualClipPPO", "CartPole-v1").n_envs == 8
    recurrent = hyperparameters("zoo", "sb3_ppo_variants.RecurrentDualClipPPO", "CartPole-v1")
    assert (recurrent.policy, recurrent.arguments) == ("MlpLstmPolicy", {"n_steps": 64})
    assert hyperparameters("zoo", "sb3_ppo_variants.MaskableRecurrentDualClipPPO", "CartPole-v1") == recurrent
    with pytest.raises(ValueError, match="RL Zoo tunes no MaskablePPO"):
        hyperparameters("zoo", "sb3_contrib.MaskablePPO", "CartPole-v1")


@pytest.mark.usefixtures("installed")
def test_the_default_of_rl_zoo_is_not_tuned(yml: str) -> None:
    with pytest.raises(ValueError, match="has no hyperparameters tuned for Acrobot-v2; it has Acrobot-v1"):
        hyperparameters("zoo", PPO, "Acrobot-v2")
    assert hyperparameters(yml, PPO, "Pendulum-v1") == Hyperparameters()


def test_a_yml_of_this_package_by_its_name(write_study: WriteStudy, tmp_path: Path) -> None:
    """A study of a user's own can have the base of the published one; other tasks have no entry."""
    base = read_study(ROOT / "benchmarks/studies/mujoco.yaml")
    text = STUDY.replace("ppo.yml", "mujoco").replace("gamma: 0.9", "compile: true").replace(PPO, VARIANT)
    mine = read_study(write_study(text.replace("CartPole-v1", "HalfCheetah-v5, Ant-v5")))
    for task in ("HalfCheetah-v5", "Ant-v5"):
        run, published = mine.run("tuned", task, 0), base.run("base", task, 10)
        assert (run.arguments, run.normalize) == (published.arguments, published.normalize)
        assert (run.policy, run.n_envs) == (published.policy, published.n_envs)
    with pytest.raises(ValueError, match="mujoco.yml has no hyperparameters tuned for Hopper-v4; it has Hopper-v5"):
        hyperparameters("mujoco", PPO, "Hopper-v4")
    (message,) = mistakes(write_study(STUDY.replace("ppo.yml", "mujocoo")))
    assert f"{tmp_path / 'mujocoo'}: No such file or directory; did you mean mujoco?" in message
    # With a suffix it is a file beside the study.
    (message,) = mistakes(write_study(STUDY.replace("ppo.yml", "mujoco.yml")))
    assert f"{tmp_path / 'mujoco.yml'}: No such file" in message


def test_without_rl_zoo_it_says_so(write_study: WriteStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rl_zoo3", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert mistakes(write_study(STUDY.replace("ppo.yml", "zoo"))) == [
        "arms.tuned: on CartPole-v1: hyperparams: zoo needs RL Zoo (pip install rl_zoo3), or give the path of a yml"
    ]


@pytest.mark.usefixtures("yml")
def test_a_yml_is_a_complete_set_that_its_own_level_may_change(write_study: WriteStudy) -> None:
    study = load_study(write_study(STUDY))
    tuned, plain = study.run("tuned", "CartPole-v1", 0), study.run("ppo", "CartPole-v1", 0)
    # Neither vf_coef nor n_envs of the study; device is no hyperparameter; the arm's own gamma wins.
    assert sorted(tuned.arguments) == ["device", "gamma", "learning_rate", "n_steps", "policy_kwargs"]
    assert (tuned.arguments["n_steps"], tuned.arguments["gamma"], tuned.n_envs) == (32, 0.9, 8)
    assert tuned.normalize is not None
    assert (tuned.normalize["norm_reward"], tuned.normalize["gamma"]) == (False, 0.9)
    assert (plain.arguments, plain.n_envs) == ({"device": "cpu", "n_steps": 16, "vf_coef": 1.0}, 2)
    # The budget is the study's, for every arm.
    assert tuned.total_timesteps == plain.total_timesteps == 1000


def test_the_numbers_of_the_yml_are_in_the_identity(yml: str, tmp_path: Path) -> None:
    (tmp_path / "other.yml").write_text(YML.replace("gamma: 0.98", "gamma: 0.97"))
    (tmp_path / "copy.yml").write_text(YML)
    runs = [_study(tmp_path / name).run("tuned", "CartPole-v1", 0) for name in ("ppo.yml", "other.yml", "copy.yml")]
    assert runs[0].identity != runs[1].identity
    assert runs[0].identity == runs[2].identity


def _study(path: Path) -> Study:
    return Study.model_validate(
        {
            "name": "tuned",
            "total_timesteps": 1000,
            "seeds": 1,
            "evaluation": {"every": 100},
            "environments": ["CartPole-v1"],
            "arms": {"tuned": {"algorithm": PPO, "hyperparams": str(path)}},
        }
    )


@pytest.mark.usefixtures("yml")
def test_all_arms_play_the_same_task(write_study: WriteStudy) -> None:
    text = STUDY.replace("[CartPole-v1]", "[Acrobot-v1]")
    (found,) = mistakes(write_study(text))
    assert found.startswith("environments.Acrobot-v1: env_wrapper is None for arm ppo and [{'gymnasium.wrappers.Order")
    # Said for the environment, it is the task of every arm.
    chosen = "\n    environments: {Acrobot-v1: {env_wrapper: gymnasium.wrappers.FlattenObservation}}\n"
    study = load_study(write_study(text.replace("\n    environments: [Acrobot-v1]\n", chosen)))
    for arm in ("ppo", "tuned"):
        assert study.run(arm, "Acrobot-v1", 0).env_wrapper == [{"gymnasium.wrappers.FlattenObservation": {}}]


@pytest.mark.skipif(importlib.util.find_spec("rl_zoo3") is None, reason="rl_zoo3 is not installed")
def test_every_entry_of_the_real_rl_zoo_can_be_read(write_study: WriteStudy) -> None:
    cart_pole = hyperparameters("zoo", PPO, "CartPole-v1")
    assert (cart_pole.n_envs, cart_pole.arguments["n_steps"], cart_pole.arguments["clip_range"]) == (8, 32, "lin_0.2")
    racing = hyperparameters("zoo", PPO, "CarRacing-v3")
    assert racing.arguments["policy_kwargs"]["activation_fn"] == "torch.nn.GELU"
    assert racing.frame_stack == 2
    study = load_study(write_study(STUDY.replace("ppo.yml", "zoo").replace("[CartPole", "[Pendulum-v1, CartPole")))
    assert study.run("tuned", "Pendulum-v1", 0).arguments["use_sde"] is True


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("n_envs: many", "n_envs: Input should be a valid integer"),
        ("n_envs: '8'", "n_envs: Input should be a valid integer"),
        ("policy: 5", "policy: Input should be a valid string"),
        ("frame_stack: [4]", "frame_stack: Input should be a valid integer"),
        ("normalize: 3", "normalize"),
        ("tensorboard_log: tb", "tensorboard_log cannot be honoured in a study"),
        ("n_envs: !!int x", "is not YAML"),
    ],
)
def test_an_entry_with_settings_of_another_kind_is_a_mistake(tmp_path: Path, entry: str, message: str) -> None:
    path = tmp_path / "ppo.yml"
    path.write_text(f"CartPole-v1: {{{entry}}}\n")
    with pytest.raises(ValueError, match=message):
        hyperparameters(str(path), PPO, "CartPole-v1")


def test_a_report_says_what_is_wrong_with_a_yml(write_study: WriteStudy) -> None:
    path = write_study("""
        name: untuned
        total_timesteps: 1000
        seeds: 1
        evaluation: {every: 100}
        hyperparams: gone.yml
        environments: [CartPole-v1]
    """)
    with pytest.raises(StudyMistakes, match=r"arms.ppo: on CartPole-v1: .*gone.yml: No such file"):
        read_study(path)
