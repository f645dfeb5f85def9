"""What happens around the steps of an update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, ClassVar

from sb3_ppo_variants.coefficients import Flag, Number


class UpdateHook:
    """Something that happens around the steps of an update. Each method may be overridden; here they do nothing.

    The model is an SB3 algorithm in the middle of ``train()``, with a full rollout buffer. What is promised:

    - :meth:`on_step` is called after each step of the environments, with the infos as SB3's callbacks find them.
    - The block of :meth:`around_update` begins when the learning rate is set and the policy before the update is known,
      and ends after the last step of the optimiser, before anything is measured or logged.
    - :meth:`before_epoch` is called within it, before each pass over the rollout.
    - An error anywhere in the update puts weights, optimiser and ``model.hook_state`` back as they were before it. What
      a hook remembers from update to update goes there, as new values: it is saved with the model.
    """

    # What the constructor of a model takes for it.
    arguments: ClassVar[tuple[Number | Flag, ...]] = ()

    @property
    def changes_steps(self) -> bool:
        """Whether :meth:`before_epoch` may change the rollout, a rate, a coefficient or what is trained.

        The update then looks at them anew in each epoch. Here: whether the method is overridden.
        """
        return type(self).before_epoch is not UpdateHook.before_epoch

    @classmethod
    def is_used(cls, values: Mapping[str, Any]) -> bool:
        """Whether the arguments switch it on: whether one of its own is not at its default.

        :param values: name to value of the arguments of all hooks
        """
        return any(values[argument.name] != argument.default for argument in cls.arguments)

    def check(self, model: Any) -> None:
        """Refuse a model that it cannot serve, before any training.

        :param model: that is set up
        :raises ValueError: naming the argument, its value and what is allowed
        """

    def on_step(self, model: Any, infos: Sequence[Mapping[str, Any]], dones: Any) -> None:
        """Look at a step of the environments.

        :param model: in the middle of a rollout; ``model.rollout_buffer.pos`` is the number of the step
        :param infos: one per environment
        :param dones: whether an episode ended, shape ``(n_envs,)``
        """

    def around_update(self, model: Any, update: Any) -> AbstractContextManager[None]:
        """A block around the steps of an update.

        :param model: about to be updated
        :param update: about to begin, see :class:`.loop.update.Update`
        """
        return nullcontext()

    def before_epoch(self, model: Any, update: Any, epoch: int) -> None:
        """Do something before a pass over the rollout.

        :param model: in the middle of an update
        :param update: in progress
        :param epoch: counted from 0
        """


@contextmanager
def blocks_around(hooks: Sequence[UpdateHook], model: Any, update: Any) -> Iterator[None]:
    """The blocks of some hooks around an update, the first outermost.

    :param hooks: of the model
    :param model: about to be updated
    :param update: about to begin
    """
    with ExitStack() as stack:
        for hook in hooks:
            block = hook.around_update(model, update)
            if not isinstance(block, AbstractContextManager):
                raise TypeError(f"hooks: around_update of {type(hook).__name__} must be a contextlib.contextmanager")
            stack.enter_context(block)
        yield
