"""Which arguments the next trials have: Optuna's samplers, asked for whole batches."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from sb3_ppo_variants.bench.replacing import write_text
from sb3_ppo_variants.bench.study.space import Axis, Space, label
from sb3_ppo_variants.bench.tuning.search import Search, Trial

optuna.logging.set_verbosity(optuna.logging.WARNING)
# Importance is that for being among this share of the trials.
BEST = 0.25


def next_arguments(search: Search) -> list[dict[str, Any]]:
    """The arguments of the trials that are next: the rest of the batch of which the first is.

    They depend on the trials of the batches before it alone. So they are the same when a search goes on that was
    killed, whatever it was doing, and however many workers there are.

    :param search: with all trials that are known
    """
    tune = search.tune
    number, known = divmod(len(search.trials), tune.batch)
    first = number * tune.batch
    words = json.dumps([tune.seed, search.arm, search.environment, number])
    seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big")
    study = optuna.create_study(direction="maximize", sampler=_sampler(tune.sampler, seed))
    add(study, search.space, search.trials[:first])
    axes = distributions(search.space)
    drawn = [study.ask(axes).params for _ in range(min(tune.batch, tune.trials - first))]
    return [_arguments(search.space, params) for params in drawn[known:]]


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    # The trials of a batch keep away from each other, although none of their scores is known.
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def importances(search: Search) -> dict[str, float]:
    """How much each argument matters for being among the best quarter of the trials: shares whose sum is 1.

    By PED-ANOVA (Watanabe et al. 2023, arXiv 2304.10255), which draws nothing. A failed trial is as bad as the worst.

    :param search: with its trials
    :return: empty when fewer than two trials have different scores
    """
    scores = [trial.score for trial in search.trials if not trial.failed]
    if len(set(scores)) < 2:
        return {}
    study = optuna.create_study(direction="maximize")
    add(study, search.space, search.trials, failed=min(scores))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=BEST)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}


def write_journal(searches: Iterable[Search], path: Path) -> None:
    """Write the trials as a journal of Optuna, one study for each search, for its dashboard.

    It is replaced as a whole, and nothing is read from it: a journal that is appended to may end within a line.

    :param searches: with their trials
    :param path: of the file
    """
    lines = _Lines()
    storage = JournalStorage(lines)
    for search in searches:
        name = f"{search.arm} on {search.environment}"
        study = optuna.create_study(direction="maximize", storage=storage, study_name=name)
        add(study, search.space, search.trials)
    write_text(path, "".join(f"{json.dumps(line, separators=(',', ':'))}\n" for line in lines.written))


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The axes of a space as Optuna knows them; a choice is known by its JSON.

    :param space: the space
    """
    # Sorted, so that draws do not depend on the order in the file.
    return {name: _distribution(space[name]) for name in sorted(space)}


def _distribution(axis: Axis | list[Any]) -> BaseDistribution:
    if isinstance(axis, list):
        return CategoricalDistribution([label(choice) for choice in axis])
    if axis.is_integer:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log, step=int(axis.step or 1))
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step)


def add(study: Any, space: Space, trials: Sequence[Trial], failed: float = -math.inf) -> None:
    """Add trials to a study of Optuna.

    :param study: the study
    :param space: of the trials
    :param trials: to add
    :param failed: score of those that failed
    """
    axes = distributions(space)
    for trial in trials:
        params = {
            name: label(value) if isinstance(space[name], list) else value for name, value in trial.arguments.items()
        }
        value = failed if trial.failed else trial.score
        study.add_trial(optuna.create_trial(params=params, distributions=axes, value=value))


def _arguments(space: Space, params: dict[str, Any]) -> dict[str, Any]:
    return {name: json.loads(value) if isinstance(space[name], list) else value for name, value in params.items()}


class _Lines(BaseJournalBackend):
    """The lines of a journal."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Keep lines."""
        self.written += logs

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Yield the lines from a number on."""
        return iter(self.written[log_number_from:])
