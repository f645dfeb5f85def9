"""The callbacks that a study names: when each is called, which of them ends a run, and what they remember."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback, CallbackList, EvalCallback

from sb3_ppo_variants.bench.study.run import Run
from sb3_ppo_variants.imports import import_object
from sb3_ppo_variants.resume.pickling import pickled, unpickled

# What a callback has of the run that it is in, not of itself.
OF_THE_RUN = ("model", "parent", "locals", "globals")


@dataclass(frozen=True)
class Remembered:
    """What callbacks remember.

    :param content: their attributes, pickled
    :param lost: why some of them could not be
    """

    content: bytes
    lost: tuple[str, ...]


class StudyCallbacks(CallbackList):
    """SB3's CallbackList that notes which of its callbacks ends the run, and keeps what they remember.

    :param named: the callbacks with their dotted paths
    :param folder: of the run
    """

    def __init__(self, named: Iterable[tuple[str, BaseCallback]], folder: Path) -> None:
        self.paths, callbacks = [], []
        for path, callback in named:
            self.paths.append(path)
            callbacks.append(callback)
        super().__init__(callbacks)
        self.folder = folder
        self.ended_by: str | None = None
        self.waiting: Remembered | None = None

    def remembered(self) -> Remembered:
        """What the callbacks remember now: their attributes, the model and its parts left out."""
        parts = self._parts()
        kept: list[dict[str, Any]] = []
        lost: list[str] = []
        for callback in _with_children(self.callbacks):
            kept.append({})
            for name, value in _own(callback).items():
                try:
                    pickled(value, self.folder, parts)
                except Exception as error:  # an attribute may be anything, and raise anything
                    lost.append(
                        f"{name} of {type(callback).__name__} cannot be pickled: {type(error).__name__}: {error}"
                    )
                else:
                    kept[-1][name] = value
        return Remembered(pickled(kept, self.folder, parts), tuple(lost))

    def go_on(self, remembered: Remembered) -> None:
        """Let the callbacks remember what they did, once training has begun.

        :param remembered: :meth:`remembered` of then
        """
        self.waiting = remembered

    def _on_training_start(self) -> None:
        super()._on_training_start()
        if self.waiting is not None:
            kept = unpickled(self.waiting.content, self.folder, self._parts())
            for callback, attributes in zip(_with_children(self.callbacks), kept, strict=True):
                vars(callback).update(attributes)
            self.waiting = None

    def _on_step(self) -> bool:
        for path, callback in zip(self.paths, self.callbacks, strict=True):
            if not callback.on_step() and self.ended_by is None:
                self.ended_by = path
        return self.ended_by is None

    def _parts(self) -> dict[str, Any]:
        """What an attribute may hold of the run, and is another object in the process that goes on."""
        parts = {f"model.{name}": value for name, value in vars(self.model).items() if hasattr(value, "__dict__")}
        parts |= {f"callback {number}": callback for number, callback in enumerate(_with_children(self.callbacks))}
        evaluation = {} if self.parent is None else {"evaluation": self.parent}
        return parts | evaluation | {"model": self.model}


def study_callbacks(run: Run, folder: Path) -> tuple[StudyCallbacks, StudyCallbacks]:
    """Make the callbacks of a run.

    :param run: the run
    :param folder: of the run
    :return: those that are called at every step, and those that are called after every evaluation
    """
    named = [(path, make_callback(path, given)) for item in run.callbacks or [] for path, given in item.items()]
    at_steps = [(path, callback) for path, callback in named if not follows_evaluations(type(callback))]
    after_evaluations = [(path, callback) for path, callback in named if follows_evaluations(type(callback))]
    return StudyCallbacks(at_steps, folder), StudyCallbacks(after_evaluations, folder)


def make_callback(path: str, arguments: dict[str, Any]) -> BaseCallback:
    """Make a callback.

    :param path: dotted path of its class
    :param arguments: of its constructor
    :raises ImportError: when there is no such class
    :raises TypeError: when it is no subclass of SB3's BaseCallback, takes other arguments, or is to call
        something that is no callback
    """
    callback = import_object(path)
    if not (isinstance(callback, type) and issubclass(callback, BaseCallback)):
        raise TypeError(f"{path} is not a subclass of SB3's BaseCallback")
    made = callback(**arguments)
    for child in made.callbacks if isinstance(made, CallbackList) else []:
        if not isinstance(child, BaseCallback):
            raise TypeError(
                f"{child!r} is no callback, and a study cannot give one to another; list it beside this one"
            )
    return made


def follows_evaluations(callback: type[BaseCallback]) -> bool:
    """Whether a callback is called after every evaluation, not at every step.

    It is when its class or one that it inherits from says so, as SB3's do: ``parent: EvalCallback``.
    """
    for cls in callback.__mro__:
        said = inspect.get_annotations(cls).get("parent")
        if said is not None:
            return issubclass(said, EvalCallback) if isinstance(said, type) else str(said).endswith("EvalCallback")
    return False


def _with_children(callbacks: Iterable[BaseCallback]) -> Iterator[BaseCallback]:
    """Yield callbacks, each with those that it calls itself."""
    for callback in callbacks:
        yield callback
        children = (value for name, value in vars(callback).items() if name not in OF_THE_RUN)
        yield from _with_children(child for child in children if isinstance(child, BaseCallback))


def _own(callback: BaseCallback) -> dict[str, Any]:
    attributes = ((name, value) for name, value in vars(callback).items() if name not in OF_THE_RUN)
    return {name: value for name, value in attributes if not isinstance(value, BaseCallback)}
