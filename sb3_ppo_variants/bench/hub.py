"""A finished run -> a folder for the Hugging Face Hub: the model, RL Zoo's files, and a card with the study's table."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import yaml
from huggingface_hub import EvalResult, HfApi, ModelCard, ModelCardData
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from sb3_ppo_variants.bench.report.markdown import cell
from sb3_ppo_variants.bench.report.report import Report, render
from sb3_ppo_variants.bench.report.sections.results import results
from sb3_ppo_variants.bench.runs.folders import Folders
from sb3_ppo_variants.bench.runs.play import play
from sb3_ppo_variants.bench.study.constructors import import_algorithm
from sb3_ppo_variants.bench.study.run import Run, file_name, plain_id
from sb3_ppo_variants.bench.study.study import Study
from sb3_ppo_variants.zoo.algorithms import ALGORITHMS

# RL Zoo's names of the classes, with those that this package adds.
ZOO_NAMES: dict[type[BaseAlgorithm], str] = {
    PPO: "ppo",
    RecurrentPPO: "ppo_lstm",
    **{algorithm: name for name, algorithm in ALGORITHMS.items()},
}


class NotUploaded(Exception):
    """The Hub refused, or was not reached."""


@dataclass(frozen=True)
class ModelScore:
    """The score of the exported model.

    :param returns: of each episode, true rewards
    :param deterministic: whether it took its most probable actions
    """

    returns: tuple[float, ...]
    deterministic: bool

    @property
    def mean(self) -> float:
        """Mean return of an episode."""
        return float(np.mean(self.returns))

    @property
    def deviation(self) -> float:
        """Standard deviation of the return of an episode."""
        return float(np.std(self.returns))


def export(study: Study, report: Report, folders: Folders, run: Run, episodes: int, output: Path) -> Path:
    """Write a run's folder for the Hub, anew if it is there.

    The files have the names that RL Zoo's ``load_from_hub`` asks for. The last model of the run is evaluated anew: the
    evaluations of the study are of policies that were trained on afterwards.

    :param output: folder in which the folder is made
    :return: the folder, ``<output>/<algorithm>-<environment>``
    """
    name = _name(run)
    made_of, folder, temporary = folders.finished(run), output / name, output / f".{name}"
    score = evaluate(run, made_of, episodes)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    shutil.copy(made_of / f"{run.file_name}.zip", temporary / f"{name}.zip")
    _copy_zoo_files(run, made_of, temporary)
    _write_results(score, temporary / "results.json")
    shutil.copy(folders.root / "study.yaml", temporary)
    shutil.copy(report.page, temporary)
    _card(study, report, run, score, made_of).save(temporary / "README.md")
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    return folder


def taken(study: Study, run: Run, output: Path) -> Path | None:
    """The folder of a run's card, if it holds something else than a card of the same arm; else None.

    Cards of arms with one class have the same folder, whose name is RL Zoo's.

    :param output: as for :func:`export`
    """
    folder = output / _name(run)
    try:
        text = (folder / "README.md").read_text("utf-8")
    except OSError:
        text = ""
    mine = f": arm **{cell(run.arm)}**, seed " in text and f" of the study **{study.name}**" in text
    return None if mine or not folder.exists() else folder


def push(folder: Path, repository: str, private: bool) -> str:
    """Upload a folder that :func:`export` made; the only thing here that uses a network.

    :param folder: with a card
    :param repository: ``<user or organisation>/<name>``, made if it does not exist
    :param private: whether a repository that is made is private
    :return: address of the repository
    :raises FileNotFoundError: for a folder without a card
    :raises NotUploaded: when the Hub refuses or is not reached
    """
    if not (folder / "README.md").is_file():
        raise FileNotFoundError(f"{folder} has no README.md: make the folder with ppo-bench card")
    api = HfApi()
    try:
        address = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder, commit_message=f"Upload {folder.name}")
    except Exception as error:  # also those of its HTTP library, which is another one in other releases
        raise NotUploaded(str(error)) from error
    return str(address)


def zoo_name(run: Run) -> str:
    """RL Zoo's name of a run's algorithm, that of the class in lower case for one that it does not know."""
    algorithm = import_algorithm(run.algorithm)
    return ZOO_NAMES.get(algorithm, algorithm.__name__.lower())


def _name(run: Run) -> str:
    """Name of a model as RL Zoo asks for it: it knows the id of an environment without its module."""
    return f"{zoo_name(run)}-{file_name(plain_id(run.environment))}"


def evaluate(run: Run, folder: Path, episodes: int) -> ModelScore:
    """Evaluate the last model of a finished run in the evaluation environment of the study."""
    return ModelScore(play(run, folder, f"{run.file_name}.zip", episodes), run.evaluation_deterministic)


def _copy_zoo_files(run: Run, made_of: Path, folder: Path) -> None:
    settings = made_of / run.file_name
    arguments = yaml.safe_load((settings / "args.yml").read_text("utf-8")) | {"algo": zoo_name(run)}
    (folder / "args.yml").write_text(yaml.safe_dump(arguments), "utf-8")
    (folder / "env_kwargs.yml").write_text(yaml.safe_dump(run.env_kwargs), "utf-8")
    shutil.copy(settings / "config.yml", folder)
    if (settings / "vecnormalize.pkl").exists():
        shutil.copy(settings / "vecnormalize.pkl", folder / "vec_normalize.pkl")
    with zipfile.ZipFile(folder / "train_eval_metrics.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted([made_of / "evaluations.npz", *made_of.glob("*.csv")]):
            archive.write(path, path.name)


def _write_results(score: ModelScore, path: Path) -> None:
    path.write_text(
        json.dumps(
            {
                "mean_reward": score.mean,
                "std_reward": score.deviation,
                "is_deterministic": score.deterministic,
                "n_eval_episodes": len(score.returns),
                "eval_datetime": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            }
        )
    )


def _card(study: Study, report: Report, run: Run, score: ModelScore, made_of: Path) -> ModelCard:
    algorithm = import_algorithm(run.algorithm)
    result = EvalResult(
        task_type="reinforcement-learning",
        task_name="reinforcement-learning",
        dataset_type=run.environment,
        dataset_name=run.environment,
        metric_type="mean_reward",
        metric_name="mean_reward",
        metric_value=f"{score.mean:.2f} +/- {score.deviation:.2f}",
    )
    metadata = ModelCardData(
        library_name="stable-baselines3",
        model_name=algorithm.__name__,
        tags=[run.environment, "deep-reinforcement-learning", "reinforcement-learning", "stable-baselines3", "ppo"],
        eval_results=[result],
    )
    context = dict(
        study=study,
        results=results(study, report.summary),
        run=run,
        algorithm=algorithm.__name__,
        module=run.algorithm.rpartition(".")[0],
        name=_name(run),
        environment_module=run.environment.rpartition(":")[0],
        environment_id=plain_id(run.environment),
        zoo_name=zoo_name(run),
        in_zoo=algorithm in ZOO_NAMES,
        evaluated=score,
        record=json.loads((made_of / "run.json").read_text("utf-8")),
        arguments=yaml.safe_dump(run.arguments, sort_keys=False).strip(),
    )
    return ModelCard(f"---\n{metadata.to_yaml()}\n---\n{render('card.md.jinja', context)}")
