from __future__ import annotations

import textwrap
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3.common.policies import ActorCriticPolicy

from sb3_ppo_variants.bench import construction
from sb3_ppo_variants.bench.runs.environments import make_env
from sb3_ppo_variants.bench.runs.train import make_model
from sb3_ppo_variants.bench.trials import estimated_seconds
from sb3_ppo_variants.bench.validation import load_study
from tests.bench.conftest import WriteStudy
from tests.bench.studies import RUN, mistakes


def mistakes_in(write_study: WriteStudy, rest: str, every: int = 100) -> list[str]:
    """Check a study whose first keys are sound."""
    head = f"name: checked\ntotal_timesteps: 1000\nseeds: 1\nevaluation: {{every: {every}}}\n"
    return mistakes(write_study(head + textwrap.dedent(rest)))


def test_classes_and_arguments_that_do_not_exist(write_study: WriteStudy) -> None:
    found = mistakes_in(
        write_study,
        """
            arguments: {n_step: 8, seed: 1}
            normalize: {norm_obz: true}
            environments:
              CartPole-v1: {arguments: {clip_rang: 0.1}}
            arms:
              ppo: {algorithm: stable_baselines3.A2C}
              gone: {algorithm: stable_baselines3.Gone}
              mine: {algorithm: stable_baselines3.PPO, arguments: {clip_ragne: 0.1}}
              grid: {algorithm: stable_baselines3.PPO, grid: {gamma: [0.9, 1.0], clip_ragne: [0.1, 0.2]}}
              tuned: {algorithm: stable_baselines3.PPO, grid: {hyperparams: [zoo, mine.yml]}}
              classes: {grid: {algorithm: [stable_baselines3.PPO, stable_baselines3.Lost]}}
              part: {algorithm: stable_baselines3.PPO, ablate: {parts: {a: {policy_kwarg.net_arch: [8]}}}}
        """,
    )
    assert set(found) >= {
        "arguments.seed: seeds are set by the study's own key seeds",
        "arguments.n_step: unknown argument of PPO (arm mine); did you mean n_steps?",
        "normalize.norm_obz: unknown argument of VecNormalize; did you mean norm_obs?",
        "environments.CartPole-v1.arguments.clip_rang: unknown argument of PPO (arm mine); did you mean clip_range?",
        "arms.ppo.algorithm: ppo is stable_baselines3.PPO; give stable_baselines3.A2C another name",
        "arms.gone.algorithm: cannot import stable_baselines3.Gone: module stable_baselines3 has no Gone",
        "arms.mine.arguments.clip_ragne: unknown argument of PPO; did you mean clip_range?",
        "arms.grid.grid.clip_ragne: unknown argument of PPO; did you mean clip_range?",
        "arms.tuned.grid.hyperparams: unknown argument of PPO; hyperparams is a key of the study, an environment or an "
        "arm",
        "arms.classes.algorithm: cannot import stable_baselines3.Lost: module stable_baselines3 has no Lost",
        "arms.part.ablate.parts.a.policy_kwarg.net_arch: unknown argument of PPO; did you mean policy_kwargs?",
    }
    assert not any("gamma" in mistake for mistake in found)


def test_arguments_that_are_no_numbers(write_study: WriteStudy) -> None:
    """The constructors take them, and every run of the arm would fail."""
    found = mistakes_in(
        write_study,
        """
            environments: [CartPole-v1]
            arms:
              comma: {algorithm: sb3_ppo_variants.VariantPPO, arguments: {gamma: "0,99", n_steps: yes}}
              half: {algorithm: stable_baselines3.PPO, arguments: {n_epochs: 2.5, n_steps: 64.0, target_kl: null}}
              none: {algorithm: stable_baselines3.PPO, arguments: {n_epochs: 0, batch_size: -1}}
              right: {algorithm: stable_baselines3.PPO, arguments: {gamma: 1, learning_rate: lin_3e-4_1e-4}}
              scheduled: {algorithm: sb3_ppo_variants.VariantPPO, arguments: {ent_coef: lin_0.01, vf_coef: exp_0.5}}
              weight: {algorithm: stable_baselines3.PPO, arguments: {ent_coef: lin_0.01}}
              zoo: {algorithm: stable_baselines3.PPO, arguments: {policy_kwargs: "dict(net_arch=[64])"}}
        """,
    )
    assert found == [
        "arms.comma: on CartPole-v1: gamma is '0,99'; give a number",
        "arms.comma: on CartPole-v1: n_steps is True; give a whole number",
        "arms.half: on CartPole-v1: n_epochs is 2.5; give a whole number",
        "arms.none: on CartPole-v1: n_epochs is 0; give 1 or more",
        "arms.none: on CartPole-v1: batch_size is -1; give 1 or more",
        "arms.weight: on CartPole-v1: ent_coef is 'lin_0.01'; give a number",
        "arms.zoo: on CartPole-v1: policy_kwargs is 'dict(net_arch=[64])'; give a mapping, such as "
        "{net_arch: [64, 64]}",
    ]


def test_what_a_search_may_try_is_checked_too(write_study: WriteStudy) -> None:
    found = mistakes_in(
        write_study,
        """
            environments: [CartPole-v1]
            tune: {trials: 2, space: {n_epochs: [4, 0], gamma: ["0,99", 0.99], n_steps: {low: 0.5, high: 8.0}}}
            arms:
              ppo: {algorithm: stable_baselines3.PPO}
        """,
    )
    assert found == [
        "arms.ppo: on CartPole-v1: gamma is '0,99'; give a number",
        "arms.ppo: on CartPole-v1: n_steps is 0.5; give a whole number",
        "arms.ppo: on CartPole-v1: n_epochs is 0; give 1 or more",
    ]


def test_a_named_class_says_which_argument_is_unknown(write_study: WriteStudy) -> None:
    found = mistakes_in(
        write_study,
        """
            environments: [CartPole-v1]
            arms:
              dual_clip: {algorithm: sb3_ppo_variants.DualClipPPO, arguments: {dual_clp: 3.0, kl_coef: 0.1}}
        """,
    )
    assert found == [
        "arms.dual_clip.arguments.dual_clp: unknown argument of DualClipPPO; did you mean dual_clip?",
        "arms.dual_clip.arguments.kl_coef: unknown argument of DualClipPPO; sb3_ppo_variants.VariantPPO takes it: "
        "write it below arms of this class",
    ]


def test_what_only_building_can_tell(write_study: WriteStudy) -> None:
    found = mistakes_in(
        write_study,
        """
            arguments: {device: cpu}
            environments: [CartPole-v1, NoSuchTask-v7]
            arms:
              one: {algorithm: stable_baselines3.PPO, arguments: {batch_size: 1}}
              open: {algorithm: sb3_ppo_variants.VariantPPO, arguments: {objective: [clip], dual_clp: 3.0}}
        """,
    )
    assert len(found) == 3
    assert found[0].startswith("arms.one: on CartPole-v1: AssertionError: `batch_size` must be greater than 1")
    assert found[1].startswith("arms.open.arguments.dual_clp: on CartPole-v1: ")
    assert found[2].startswith("environments.NoSuchTask-v7: NameNotFound")


def test_a_policy_of_another_class_for_the_whole_study(write_study: WriteStudy) -> None:
    found = mistakes_in(
        write_study,
        """
            arguments: {device: cpu}
            environments: [CartPole-v1]
            policy: MlpLstmPolicy
            arms: {memory: {algorithm: sb3_ppo_variants.RecurrentVariantPPO}}
        """,
    )
    assert found == [
        "arms.ppo: on CartPole-v1: ValueError: Policy MlpLstmPolicy unknown; ppo is stock PPO with the settings of the "
        "study: write those of other classes at their arms"
    ]


def test_callbacks_that_cannot_be_made(write_study: WriteStudy) -> None:
    found = mistakes_in(
        write_study,
        """
            environments: [CartPole-v1, Acrobot-v1]
            callbacks:
              - stable_baselines3.common.callbacks.Gone
              - stable_baselines3.common.callbacks.StopTrainingOnMaxEpisodes: {episodes: 3}
            arms:
              other:
                algorithm: stable_baselines3.PPO
                callbacks:
                  - stable_baselines3.PPO
                  - stable_baselines3.common.callbacks.CheckpointCallback: {save_freq: 100, save_path: logs}
        """,
    )
    assert found == [
        "callbacks.stable_baselines3.common.callbacks.Gone: ImportError: module stable_baselines3.common.callbacks has "
        "no Gone",
        "callbacks.stable_baselines3.common.callbacks.StopTrainingOnMaxEpisodes: TypeError: "
        "StopTrainingOnMaxEpisodes.__init__() got an unexpected keyword argument 'episodes'",
        "callbacks.stable_baselines3.PPO: TypeError: stable_baselines3.PPO is not a subclass of SB3's BaseCallback",
    ]
    found = mistakes_in(write_study, "environments: [CartPole-v1]\ncallbacks: 3\n")
    assert found == ["callbacks: a callback is a dotted path, or a mapping from one to its arguments, not 3 (given: 3)"]


def test_evaluations_more_often_than_steps(write_study: WriteStudy) -> None:
    found = mistakes_in(
        write_study,
        """
            n_envs: 4
            environments: [CartPole-v1]
            arms:
              narrow: {algorithm: stable_baselines3.PPO, n_envs: 2}
        """,
        every=3,
    )
    assert found == [
        "environments.CartPole-v1: an evaluation every 3 steps is less than one step of the 4 environments of arm ppo"
    ]


def test_an_argument_that_reaches_into_a_number(write_study: WriteStudy) -> None:
    found = mistakes_in(
        write_study,
        """
            environments: [CartPole-v1]
            arms:
              through: {algorithm: stable_baselines3.PPO, arguments: {n_steps: 8, n_steps.net_arch: 2}}
        """,
    )
    assert found == [
        "arms.through: on CartPole-v1: n_steps.net_arch: n_steps is 8, not a mapping that it could reach into"
    ]


ENVIRONMENTS = """
import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.classic_control import CartPoleEnv
from pathlib import Path
from typing import Any

class OldStep(CartPoleEnv):
    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated, info

class Unseeded(CartPoleEnv):
    def reset(self):
        return super().reset()

class Masked(CartPoleEnv):
    def action_masks(self):
        return np.array([False, True])

    def step(self, action):
        assert action == 1
        return super().step(action)

class Leaving(CartPoleEnv):
    def __init__(self, **keywords):
        raise SystemExit(3)

class Writing(gym.Wrapper):
    def __init__(self, env, folder):
        super().__init__(env)
        path = Path(folder) / "made"
        path.write_text(path.read_text() + "x" if path.exists() else "x")

for name in ("OldStep", "Unseeded", "Masked", "Leaving"):
    gym.register(f"{name}-v0", entry_point=f"environments_of_checks:{name}", disable_env_checker=True)
"""


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "environments_of_checks.py").write_text(ENVIRONMENTS)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("environments")
def test_an_environment_is_stepped_once(write_study: WriteStudy) -> None:
    names = [f"environments_of_checks:{name}-v0" for name in ("OldStep", "Unseeded", "Masked", "Leaving")]
    found = mistakes_in(write_study, f"arguments: {{device: cpu}}\nenvironments: {names}\n")
    assert [mistake.partition(": ")[2][:12] for mistake in found] == ["ValueError: ", "TypeError: U", "SystemExit: "]
    assert [mistake.partition(": ")[0] for mistake in found] == [
        f"environments.environments_of_checks:{name}-v0" for name in ("OldStep", "Unseeded", "Leaving")
    ]


@pytest.mark.usefixtures("environments")
def test_one_environment_is_made_however_many_a_run_has(write_study: WriteStudy, tmp_path: Path) -> None:
    study = load_study(
        write_study(f"""
            name: one
            total_timesteps: 10_000
            seeds: 1
            n_envs: 50
            evaluation: {{every: 1000}}
            arguments: {{device: cpu, n_steps: 2, batch_size: 100}}
            environments:
              CartPole-v1: {{env_wrapper: {{environments_of_checks.Writing: {{folder: "{tmp_path}"}}}}}}
            arms:
              policy: {{algorithm: stable_baselines3.PPO, policy: stable_baselines3.common.policies.ActorCriticPolicy}}
        """)
    )
    assert (tmp_path / "made").read_text() == "x"
    env = make_env(replace(study.run("policy", "CartPole-v1", 0), n_envs=1))
    model = make_model(study.run("policy", "CartPole-v1", 0), env)
    assert type(model.policy) is ActorCriticPolicy


def test_an_environment_of_a_module_has_a_plan() -> None:
    run = replace(RUN, environment="gymnasium:CartPole-v1")
    assert estimated_seconds(run) > 0


def test_an_environment_under_two_names_is_a_mistake(write_study: WriteStudy) -> None:
    found = mistakes_in(write_study, "arguments: {device: cpu}\nenvironments: [CartPole-v1, CartPole]\n")
    assert found == ["environments: CartPole-v1 and CartPole are the same environment"]


def test_an_environment_without_its_version(write_study: WriteStudy, recwarn: pytest.WarningsRecorder) -> None:
    head = "name: bare\ntotal_timesteps: 4096\nseeds: 1\nevaluation: {every: 64, last: 1}\n"
    load_study(write_study(f"{head}arguments: {{device: cpu}}\nenvironments: [CartPole]\n"))
    assert [str(warning.message) for warning in recwarn] == [
        "environments.CartPole: gymnasium makes CartPole-v1, and a later one may make another version; write "
        "CartPole-v1"
    ]


def test_a_list_of_callbacks_cannot_be_given_paths(write_study: WriteStudy) -> None:
    found = mistakes_in(
        write_study,
        """
            environments: [CartPole-v1]
            callbacks: {stable_baselines3.common.callbacks.CallbackList: {callbacks: [mine.Own]}}
        """,
    )
    assert found == [
        "callbacks.stable_baselines3.common.callbacks.CallbackList: TypeError: 'mine.Own' is no callback, and a study "
        "cannot give one to another; list it beside this one"
    ]


def test_trackers_that_are_not_there(write_study: WriteStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    found = mistakes_in(write_study, "environments: [CartPole-v1]\ntrackers: [tensorbord]\n")
    assert found == ["trackers.0: Input should be 'tensorboard' or 'wandb' (given: 'tensorbord')"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = mistakes_in(write_study, "environments: [CartPole-v1]\ntrackers: [wandb]\n")
    assert found == ['trackers.wandb: is not installed: pip install "sb3-ppo-variants[wandb]"']


def test_a_warning_names_the_arms_that_it_is_about(
    write_study: WriteStudy, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_study("""
        name: warned
        total_timesteps: 128
        seeds: 1
        evaluation: {every: 64, last: 1}
        arguments: {device: cpu, n_steps: 64}
        environments: [CartPole-v1, Acrobot-v1]
        arms:
          plain: {algorithm: sb3_ppo_variants.VariantPPO}
          limited:
            algorithm: sb3_ppo_variants.VariantPPO
            arguments: &both
              stop: {kl: 0.05}
              adapt: &rule {clip_range: {rule: band, follow: kl, target: 0.01, low: 0.05, high: 0.4}}
          again: {algorithm: sb3_ppo_variants.VariantPPO, arguments: *both}
          target: {algorithm: sb3_ppo_variants.VariantPPO, arguments: {target_kl: 0.02, adapt: *rule}}
    """)

    def make_deprecated(*arguments: Any) -> Any:
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return make_model(*arguments)

    monkeypatch.setattr(construction, "make_model", make_deprecated)
    load_study(path)
    said = [str(warning.message).partition(" stops an update")[0] for warning in recwarn]
    assert said == ["arms.limited, arms.again: stop['kl']=0.05", "arms.target: target_kl=0.02"]
