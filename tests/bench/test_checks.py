from __future__ import annotations

import textwrap

from tests.bench.conftest import WriteStudy
from tests.bench.studies import mistakes


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
        "arms.ppo.algorithm: the baseline is stable_baselines3.PPO; give stable_baselines3.A2C another name",
        "arms.gone.algorithm: cannot import stable_baselines3.Gone: module stable_baselines3 has no Gone",
        "arms.mine.arguments.clip_ragne: unknown argument of PPO; did you mean clip_range?",
        "arms.grid.grid.clip_ragne: unknown argument of PPO; did you mean clip_range?",
        "arms.tuned.grid.hyperparams: unknown argument of PPO",
        "arms.classes.algorithm: cannot import stable_baselines3.Lost: module stable_baselines3 has no Lost",
        "arms.part.ablate.parts.a.policy_kwarg.net_arch: unknown argument of PPO; did you mean policy_kwargs?",
    }
    assert not any("gamma" in mistake for mistake in found)


def test_a_named_class_says_which_argument_is_unknown(write_study: WriteStudy) -> None:
    found = mistakes_in(
        write_study,
        """
            environments: [CartPole-v1]
            arms:
              dual_clip: {algorithm: sb3_ppo_variants.DualClipPPO, arguments: {dual_clp: 3.0}}
        """,
    )
    assert found == ["arms.dual_clip.arguments.dual_clp: unknown argument of DualClipPPO; did you mean dual_clip?"]


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
