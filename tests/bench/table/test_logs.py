from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sb3_ppo_variants.bench.table.logs import Series, UnreadableLog, evaluations, read_log, training_episodes


def test_a_log_of_rl_zoo(logs: Path) -> None:
    log, series = read_log(logs / "CartPole-v1_1"), evaluations(logs / "CartPole-v1_1")
    assert (log.algorithm, log.environment, log.seed, log.version) == ("ppo", "CartPole-v1", 2861, None)
    assert log.settings == {"n_envs": 1, "n_timesteps": 256.0, "policy": "MlpPolicy", "env_kwargs": None}
    assert (series.timesteps.tolist(), series.every) == ([64, 128, 192, 256], 64)
    assert [returns.tolist() for returns in series.returns] == [[10, 20], [30, 50], [100, 300], [200, 400]]


def test_a_budget_of_the_command_line_is_a_setting(logs: Path) -> None:
    # It is what RL Zoo's schedules run to, and config.yml does not have it.
    path = logs / "CartPole-v1_1" / "CartPole-v1" / "args.yml"
    path.write_text("{algo: ppo, env: CartPole-v1, seed: 5, n_timesteps: 4096, env_kwargs: {gravity: 1}}")
    settings = read_log(logs / "CartPole-v1_1").settings
    assert (settings["n_timesteps"], settings["env_kwargs"]) == (4096, {"gravity": 1})


def test_python_objects_in_the_arguments_are_not_made(logs: Path) -> None:
    path = logs / "CartPole-v1_1" / "CartPole-v1" / "args.yml"
    path.write_text("{algo: ppo, env: CartPole-v1, seed: 5, extra: !!python/object/apply:builtins.exit [3]}")
    assert read_log(logs / "CartPole-v1_1").seed == 5


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (("CartPole-v1/args.yml", None), "no <environment>/args.yml"),
        (
            ("CartPole-v1/args.yml", "{algo: ppo, env: CartPole-v1}"),
            "CartPole-v1/args.yml does not say algo, env and seed",
        ),
        (("CartPole-v1/args.yml", "{algo: ["), "CartPole-v1/args.yml cannot be read"),
        (("CartPole-v1/args.yml", "[1, 2]"), "does not say algo, env and seed"),
        (("CartPole-v1/args.yml", "{algo: ppo, env: CartPole-v1, seed: true}"), "does not say algo, env and seed"),
        (("evaluations.npz", None), "no evaluations.npz"),
        (("evaluations.npz", "half a file"), "evaluations.npz cannot be read"),
    ],
)
def test_folders_that_are_no_runs(logs: Path, broken: tuple[str, str | None], reason: str) -> None:
    path = logs / "CartPole-v1_1" / broken[0]
    path.unlink()
    if broken[1] is not None:
        path.write_text(broken[1])
    reader = evaluations if broken[0] == "evaluations.npz" else read_log
    with pytest.raises(UnreadableLog, match=reason):
        reader(logs / "CartPole-v1_1")


def test_evaluations_that_do_not_fit_together(logs: Path) -> None:
    path = logs / "CartPole-v1_1" / "evaluations.npz"
    np.savez(path, timesteps=np.array([64]), results=np.zeros((2, 3)), ep_lengths=np.zeros((2, 3)))
    with pytest.raises(UnreadableLog, match="steps of shape"):
        evaluations(path.parent)


def test_points_as_rows(logs: Path) -> None:
    series = evaluations(logs / "CartPole-v1_1").until(200)
    assert series.table().to_dict("list") == {
        "timesteps": [64, 128, 192],
        "mean_return": [15.0, 40.0, 200.0],
        "std_return": [5.0, 10.0, 100.0],
        "mean_length": [15.0, 40.0, 200.0],
        "episodes": [2, 2, 2],
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("second", [[0.0, 1.0], [0.0]])
def test_returns_that_are_not_finite(second: list[float]) -> None:
    returns = [np.array([1.0, np.inf]), np.array(second)]
    table = Series(np.array([64, 128]), 64, returns, [np.ones(len(each)) for each in returns]).table()
    assert table["mean_return"].tolist() == [np.inf, sum(second) / len(second)]
    assert np.isnan(table["std_return"][0])


@pytest.mark.parametrize("torn", ["9.0,4", "9.0,", "9.0"])
def test_training_episodes_in_windows(logs: Path, torn: str) -> None:
    folder = logs / "CartPole-v1_1"
    # Two environments; by the time of their ends, the episodes end at steps 10, 30, 40, 64, 65, 200.
    (folder / "0.monitor.csv").write_text(
        '#{"t_start": 100.0, "env_id": "CartPole-v1"}\nr,l,t\n1.0,10,1.0\n3.0,10,3.0\n5.0,1,5.0\n6.0,135,6.0\n'
    )
    (folder / "1.monitor.csv").write_text(
        '#{"t_start": 101.0, "env_id": "CartPole-v1"}\nr,l,t\n2.0,20,1.0\n4.0,24,3.0\n' + torn
    )
    series = training_episodes(folder, 64)
    assert (series.timesteps.tolist(), series.every) == ([64, 128, 256], 64)
    assert [returns.tolist() for returns in series.returns] == [[1, 2, 3, 4], [5], [6]]
    assert [lengths.tolist() for lengths in series.lengths] == [[10, 20, 10, 24], [1], [135]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no monitor.csv"),
        ('#{"t_start": 0.0, "env_id": "CartPole-v1"}\nr,l,t\n', "no episode that ended"),
        ("r,l,t\n1,2,3\n", "monitor.csv cannot be read"),
        ("#{}\nr,l,t\n1,2,3\n", "monitor.csv cannot be read"),
        ("#not json\nr,l,t\n1,2,3\n", "monitor.csv cannot be read"),
    ],
)
def test_training_episodes_that_are_lost(logs: Path, text: str | None, reason: str) -> None:
    path = logs / "CartPole-v1_1" / "0.monitor.csv"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(UnreadableLog, match=reason):
        training_episodes(path.parent, 64)
