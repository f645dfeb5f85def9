"""How long a measurement still takes, and when it says so."""

from __future__ import annotations

import io
import math

from rich.console import Console

from benchmarks.measurements.progress import Progress, Step, left

TASKS = {"ratios A": [Step("start", 10.0), *[Step("repetition", 5.0)] * 2], "ratios B": [Step("start", 20.0)]}


def test_time_left_is_that_of_equal_steps_and_else_the_guess_times_the_error_of_guesses() -> None:
    to_come = [("ratios A", Step("repetition", 5.0)), ("ratios B", Step("repetition", 5.0))]
    taken = {("ratios A", "repetition"): [8.0, 10.0]}
    # The mean of A's, 9, and a guess of 5 that is three times too short.
    assert left(to_come, taken, 3.0) == 9.0 + 15.0
    assert left(to_come, {}, 1.0) == 10.0


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def progress(limit: float = math.inf) -> tuple[Progress, Clock, io.StringIO]:
    clock, said = Clock(), io.StringIO()
    return Progress(TASKS, limit, Console(file=said, force_terminal=False), clock), clock, said


def test_the_estimate_follows_what_was_measured() -> None:
    shown, clock, _ = progress()
    assert shown.seconds_left == 40.0
    shown.begin("ratios A")
    clock.now += 20.0
    shown.tick("start")
    # Twice as long as the guess: so 2 x 5 x 2 for the repetitions and 20 x 2 for B.
    assert shown.seconds_left == 60.0
    clock.now += 4.0
    shown.tick("repetition")
    # 4 for the other repetition, and 20 by 24 / 15.
    assert shown.seconds_left == 4.0 + 32.0
    shown.end()
    assert shown.seconds_left == 32.0


def test_repetitions_are_left_out_when_time_is_short_but_for_two() -> None:
    clock = Clock()
    one_process = [Step("start", 1.0), *[Step("repetition", 10.0)] * 4]
    shown = Progress({"A": one_process * 2, "B": one_process}, 100.0, Console(file=io.StringIO()), clock)

    def step(name: str, seconds: float) -> bool:
        clock.now += seconds
        return shown.tick(name)

    shown.begin("A")
    assert step("start", 1.0)
    # 122 seconds are left, which is more than there are; yet one repetition is too few.
    assert step("repetition", 10.0)
    assert not step("repetition", 10.0)
    # What is left out of this process is not expected any more; that of the next one is.
    assert shown.seconds_left == 82.0
    assert step("start", 1.0)
    assert step("repetition", 10.0)
    assert not step("repetition", 10.0)
    shown.end()
    shown.begin("B")
    assert step("start", 1.0)
    # 43 and 41 seconds are fewer than the 58 that there are.
    assert all(step("repetition", 10.0) for _ in range(4))


def test_a_step_that_nobody_planned_changes_nothing() -> None:
    shown, clock, _ = progress()
    shown.begin("ratios B")
    clock.now += 3.0
    shown.tick("repetition")
    assert shown.seconds_left == 40.0


def test_lines_come_at_the_ends_of_tasks_and_half_a_minute_apart() -> None:
    shown, clock, said = progress()
    with shown:
        shown.begin("ratios A")
        for seconds, name in ((10.0, "start"), (15.0, "repetition"), (10.0, "repetition")):
            clock.now += seconds
            shown.tick(name)
        shown.end()
    assert said.getvalue().splitlines() == [
        "starts; 0 s so far, about 40 s left",
        "ratios A: begins; 0 s so far, about 40 s left",
        "ratios A: repetition; 35 s so far, about 35 s left",
        "ratios A: done; 35 s so far, about 35 s left",
    ]


def test_a_terminal_has_one_line_that_is_drawn_by_steps_only() -> None:
    said = io.StringIO()
    with Progress(TASKS, console=Console(file=said, force_terminal=True, width=120), clock=Clock()) as shown:
        shown.begin("ratios A")
        shown.tick("start")
        assert not shown._bar.live.auto_refresh
    assert "ratios A: start; 0 s so far, about" in said.getvalue()
