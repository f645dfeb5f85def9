"""Whatever a study file says, reading it ends in a study or in sentences, soon."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sb3_ppo_variants.bench.study.yaml_file import MOST_BYTES
from sb3_ppo_variants.bench.validation import StudyMistakes, read_study

SOUND = """\
name: sound
total_timesteps: 1000
seeds: 2
evaluation: {every: 100, episodes: 2, last: 2}
arguments: {n_steps: 64, device: cpu}
normalize: false
bootstrap: {resamples: 200, seed: 1}
environments:
  CartPole-v1: {n_envs: 2, random_score: 20.0, reference_score: 500.0}
  Pendulum-v1: {normalize: {norm_reward: false}, env_wrapper: gymnasium.wrappers.RescaleAction}
arms:
  narrow: {algorithm: stable_baselines3.PPO, arguments: {clip_range: lin_0.1}}
  grid: {algorithm: stable_baselines3.PPO, grid: {n_epochs: [1, 2], gamma: {low: 0.9, high: 0.99}}}
  parts:
    algorithm: sb3_ppo_variants.VariantPPO
    arguments: {objective: [clip]}
    ablate: {parts: {dual: {objective: dual_clip}, slow: {learning_rate: 1e-4}}}
"""
VALUES = (
    "", "null", "true", "0", "-1", "1", "2.5", "1e30", "1e400", ".nan", "-.inf", "010", "0x1F", "1:30", "2020-02-30",
    "2020-01-01", "!!int x", "!!bool maybe", "!!float y", "!!binary abc", "!!python/object:os.system x", "9" * 5000,
    "1_000_000", "1_000_000_000", "45045", "[]", "{}", "[[], []]", "[1, 1.0, true]", "{a: 1, a: 2}", "*anchor",
    "&a [*a]", "<<: {}", "'=HYPERLINK(1)'", "\"\\0\"", "\"a\\\"onmouseover=\\\"x\"", "../..",
    "CON", "\u202e", "results.csv", "lin_x",
    "[" * 3000, "{" * 400, "? " * 500, "- " * 700, "x" * 20_000, "os.path.join", "sb3_ppo_variants.VariantPPO",
)  # fmt: skip


def with_another_value(draw: random.Random) -> str:
    """Put something else for a value, or a key, of a sound study."""
    lines = SOUND.splitlines()
    number = draw.randrange(len(lines))
    colons = [place for place, letter in enumerate(lines[number]) if letter == ":"]
    place = draw.choice(colons)
    if draw.random() < 0.7:
        lines[number] = f"{lines[number][:place]}: {draw.choice(VALUES)}"
    else:
        lines[number] = f"{draw.choice(VALUES)}{lines[number][place:]}"
    return "\n".join(lines)


def with_other_letters(draw: random.Random) -> str:
    """Change, drop or repeat some letters."""
    letters = list(SOUND)
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(letters))
        letters[place] = draw.choice(
            ["", "{", "}", "[", "]", ":", ",", "\n", " ", "&", "*", "!", "\t", letters[place] * 3]
        )
    return "".join(letters)


def with_aliases(draw: random.Random) -> str:
    """Let aliases stand for exponentially many values somewhere."""
    levels = [f"  - &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 12)]
    bomb = "\n".join(["bomb:", "  - &l0 [x, x]", *levels])
    lines = SOUND.splitlines()
    number = draw.choice([place for place, line in enumerate(lines) if line.endswith("}") and line[0] != " "])
    lines[number] = f"{lines[number].partition(':')[0]}: *l{draw.randint(1, 11)}"
    return "\n".join([bomb, *lines])


KINDS: tuple[Callable[[random.Random], str], ...] = (with_another_value, with_other_letters, with_aliases)


def files() -> Iterator[str]:
    draw = random.Random(20)
    for number in range(300):
        yield KINDS[number % 10 % 3 if number % 10 else 2](draw)


def ending(path: Path) -> list[str]:
    """The mistakes of a file, none for a study; they must come within two seconds of computing."""
    started = time.process_time()
    try:
        identities = [run.identity for run in read_study(path).runs]
        assert identities
        mistakes = []
    except StudyMistakes as error:
        mistakes = error.mistakes
    assert time.process_time() - started < 2.0
    for mistake in mistakes:
        assert mistake
        assert "\n" not in mistake
        assert len(mistake) < 1000
    return mistakes


def test_random_files_end_in_a_study_or_in_sentences(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    studies = 0
    for text in files():
        path.write_text(text, encoding="utf-8")
        studies += not ending(path)
    # Both happen.
    assert 5 < studies < 150


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("seeds: 2", "seeds: 1_000_000", "seeds: must be a number of seeds, 1 to 1000"),
        ("seeds: 2", "seeds: 1e30", "seeds: must be a number of seeds, 1 to 1000"),
        ("seeds: 2", f"seeds: {'1' * 5000}", "has a number of 5000 characters, at most 300 are read"),
        ("seeds: 2", "seeds: [0, 0.0]", "seeds: 0 is in the list more than once"),
        ("seeds: 2", "seeds: [1, true]", "seeds.1: must be a number"),
        ("seeds: 2", 'seeds: [1, "01"]', "seeds: 1 is in the list more than once"),
        ("seeds: 2", "seeds: 2020-02-30", "a timestamp cannot be an argument, quote it"),
        ("seeds: 2", "seeds: !!int x", "invalid literal for int()"),
        ("seeds: 2", "seeds: !!bool maybe", "KeyError: 'maybe'"),
        ("seeds: 2", f"seeds: {'[' * 1500}", "more than 50 levels"),
        ("seeds: 2", "seeds: &a [*a]", "has an alias within what it stands for"),
        ("n_envs: 2", "n_envs: 45045", "environments.CartPole-v1.n_envs: Input should be less than or equal to 4096"),
        ("resamples: 200", "resamples: 1_000_000_000", "bootstrap.resamples: Input should be less than or equal to"),
        ("n_epochs: [1, 2]", f"n_epochs: {list(range(501))}", "1002 combinations are more than 1000"),
        ("random_score: 20.0", "random_score: .nan", ".nan is no number that anything can have"),
        ("random_score: 20.0", "random_score: .inf", "Input should be a finite number"),
        ("  Pendulum-v1", "  gymnasium:CartPole-v1", "CartPole-v1 and gymnasium:CartPole-v1 are the same environment"),
        ("  Pendulum-v1", "  '=HYPERLINK(1)'", "environments.=HYPERLINK(1)"),
        ("  Pendulum-v1", "  'a\"onmouseover=\"alert(2)'", "String should match pattern"),
        ("narrow:", "results.csv:", "results.csv is a name in the folder of the study"),
        ("narrow:", "Study.yaml:", "Study.yaml is a name in the folder of the study"),
        ("device: cpu", "tensorboard_log: tb", "arguments.tensorboard_log: every run logs into its own folder"),
        ("name: sound", f"name: sound # {'x' * MOST_BYTES}", f"is larger than {MOST_BYTES} bytes"),
    ],
)  # fmt: skip
def test_refusals(tmp_path: Path, old: str, new: str, part: str) -> None:
    assert old in SOUND
    path = tmp_path / "study.yaml"
    path.write_text(SOUND.replace(old, new, 1), encoding="utf-8")
    assert any(part in mistake for mistake in ending(path))


def test_the_sound_study_is_one(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(SOUND)
    assert ending(tmp_path / "study.yaml") == []


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_only_utf_8_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(SOUND + "# é\n", encoding=encoding)
    assert ending(path) == [f"{path} is not a text in UTF-8, save it as such"]


def test_a_module_that_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ending_module.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "study.yaml").write_text(SOUND.replace("stable_baselines3.PPO", "ending_module.Mine", 1))
    assert ending(tmp_path / "study.yaml") == [
        "arms.narrow.algorithm: cannot import ending_module.Mine: module ending_module ends the process when it is "
        "imported"
    ]
