"""What makes the loop an SB3 algorithm: arguments, set-up, saving and loading, the same for every host."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from io import BufferedIOBase
from pathlib import Path
from typing import Any, ClassVar

import torch as th
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from typing_extensions import Self

from sb3_ppo_variants.adaptation import refuse_rule_of_class
from sb3_ppo_variants.assembly import Assembly
from sb3_ppo_variants.chain import build_chain
from sb3_ppo_variants.coefficients import CLIP_RANGE
from sb3_ppo_variants.description import describe
from sb3_ppo_variants.feedback import State
from sb3_ppo_variants.loading import changed_arguments, follows_another, saved_attributes
from sb3_ppo_variants.loop.hook import UpdateHook
from sb3_ppo_variants.messages import one_of
from sb3_ppo_variants.own_parts import as_list
from sb3_ppo_variants.parts import (
    HOOK_ARGUMENTS,
    arguments_of_parts,
    classes_with,
    is_taken,
    name_is_taken,
    unknown_argument,
)
from sb3_ppo_variants.regularization import Regularization, build_regularization
from sb3_ppo_variants.regularizers import REGULARIZERS
from sb3_ppo_variants.signatures import DECIDED, constructor_signature
from sb3_ppo_variants.terms import TERMS


class VariantAlgorithm(Assembly):
    """Base of the hosts: an SB3 algorithm whose surrogate is a chain of terms.

    :param policy: as in the stock class, and so are all further positional arguments
    :param env: as in the stock class
    :param objective: a term or a list: a name, a function, a ``Term``, a dotted path; ``[]`` is the plain ``A * r``
    :param adapt: coefficient name to a feedback rule, see :func:`.adaptation.build_controllers`; ``None`` for none.
        ``learning_rate``, ``ent_coef`` and ``vf_coef`` may be adapted as well
    :param stop: conditions that end an update early, each with its limit, see :mod:`.stops`; ``None`` for none
    :param regularizers: losses added to PPO's, given as terms are; ``None`` for none
    :param hooks: what happens around the steps of an update, :class:`.UpdateHook` or dotted paths; those of the package
        are switched on by their arguments, see :mod:`.hooks`
    :param log_kl: log the exact KL of each update, ``train/kl`` and ``train/kl_max``; costs two passes over the rollout
    :param compile: run updates and rollouts as native code, several times faster and the same within rounding, see
        :mod:`.compiled`; the first run on a machine compiles for half a minute. What cannot be compiled runs in
        eager mode with a warning; ``"strict"`` raises instead
    :param vf_learning_rate: learning rate of the critic's own layers, as ``learning_rate``; ``None`` for the same
    :param kwargs: keyword arguments of the stock class and of the hooks, and the coefficients and options of the terms
        and regularizers, each a number, an SB3 schedule or a string like ``"lin_0.2"`` or ``"exp_0.2"``; ``ent_coef``
        and ``vf_coef`` may be schedules too
    :raises TypeError: for an argument that neither the stock class nor a part in use has
    :raises ValueError: for a bad value; the message names the argument, the value and what is allowed
    """

    # The class of SB3 or sb3-contrib that a host stands in for.
    stock: ClassVar[type[OnPolicyAlgorithm]]
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "stock"):
            cls.__signature__ = constructor_signature(cls)

    def __init__(
        self,
        policy: Any,
        env: Any,
        *args: Any,
        objective: Any = "clip",
        adapt: Mapping[str, Mapping[str, Any]] | None = None,
        stop: Mapping[Any, float] | None = None,
        regularizers: Any = None,
        hooks: UpdateHook | str | Sequence[UpdateHook | str] | None = (),
        vf_learning_rate: float | Schedule | str | None = None,
        log_kl: bool = False,
        compile: bool | str = False,
        **kwargs: Any,
    ) -> None:
        refuse_rule_of_class(adapt, self.adapted, type(self).__name__)
        regularization = build_regularization(regularizers, REGULARIZERS)
        known = arguments_of_parts(build_chain(as_list(objective), TERMS), regularization)
        stock = inspect.signature(self.stock.__init__)
        own = {name: kwargs.pop(name) for name in set(kwargs) - set(stock.parameters)}
        arguments = stock.bind(self, policy, env, *args, **kwargs).arguments
        set_up = arguments.pop("_init_setup_model", True)
        super().__init__(
            **{name: value for name, value in arguments.items() if name != "self"}, _init_setup_model=False
        )
        self.objective = as_list(objective)
        self.adapt = adapt
        self.stop: Any = stop
        self.regularizers = regularizers
        self.hooks = hooks
        self.vf_learning_rate = vf_learning_rate
        self.log_kl = log_kl
        self.compile = compile
        # What the rules have learned, in plain floats: saved with the model, and not reset by `_setup_model`.
        self.adaptive_state: dict[str, State] = {}
        # What the hooks remember from update to update, likewise.
        self.hook_state: dict[str, Any] = {}
        self._set_arguments(known, own, regularization)
        if set_up:
            self._setup_model()
            self._adaptation.check_starts(self._values_at(1.0))

    def _set_arguments(
        self, known: Mapping[str, Any], given: Mapping[str, Any], regularization: Regularization
    ) -> None:
        """Keep the arguments of terms, regularizers and hooks as attributes of the same names."""
        for name, value in given.items():
            if name not in known:
                raise TypeError(self._unknown_argument(name, value, known))
        for name, argument in known.items():
            if argument == CLIP_RANGE:
                continue  # the host has it already, with the same meaning
            if is_taken(self, name):
                raise name_is_taken(self, name, regularization)
            if name in given:
                setattr(self, name, given[name])

    @classmethod
    def _unknown_argument(cls, name: str, value: Any, known: Iterable[str]) -> str:
        return unknown_argument(cls, name, value, [*known, *cls._constructor_names()])

    @classmethod
    def _constructor_names(cls) -> list[str]:
        """The keyword arguments of the constructor, without the coefficients of terms."""
        return [name for name in inspect.signature(cls).parameters if name not in ("coefficients", "_init_setup_model")]

    def _get_policy_from_name(self, policy_name: str) -> type[BasePolicy]:
        if policy_name not in self.policy_aliases:
            raise ValueError(f"{type(self).__name__}: " + one_of("policy", policy_name, self.policy_aliases))
        return super()._get_policy_from_name(policy_name)

    def describe(self) -> dict[str, Any]:
        """Objective, other parts, coefficients (a schedule by its start and end), options, rules and stops as JSON."""
        return describe(self)

    @classmethod
    def load(
        cls,
        path: str | Path | BufferedIOBase,
        env: GymEnv | None = None,
        device: th.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Load a model, of this class or of the stock class; learned coefficients go on where they were.

        The stock class loads a variant's zip too: it takes the base clip range then, not the adapted one. A zip holds
        pickled objects, as all of SB3's do: load only what you trust.

        The parameters are those of SB3's ``load``.

        :param kwargs: arguments of the constructor to change; a coefficient that is given another value or another rule
            than the saved one starts with no learned factor, and so does the coefficient of a named class whose rule
            now follows another statistic
        :raises TypeError: for what is neither an argument of the constructor nor an attribute of the saved model, and
            for an argument of another class
        :raises ValueError: when a named class is given a zip with another objective
        """
        refuse_rule_of_class(kwargs.get("adapt"), cls.adapted, cls.__name__)
        model: Self = super().load(path, env, device, custom_objects, print_system_info, force_reset, **kwargs)
        if kwargs or custom_objects or cls.adapted:
            model._compare_with_saved(path, kwargs, custom_objects or {})
        return model

    def _compare_with_saved(
        self, path: str | Path | BufferedIOBase, keywords: Mapping[str, Any], objects: Mapping[str, Any]
    ) -> None:
        """Refuse unknown arguments of ``load``, and forget what was learned about coefficients that it has changed."""
        compared = {"adapt", *self._adaptation.controllers}
        saved = saved_attributes(path, {name: value for name, value in objects.items() if name not in compared})
        known = self._known_coefficients | self._chain.options | HOOK_ARGUMENTS
        taken = {*known, *self._constructor_names(), *inspect.signature(self.stock.__init__).parameters}
        for name, value in keywords.items():
            if name not in taken and (name in DECIDED or name not in saved or classes_with(name, type(self))):
                raise TypeError(self._unknown_argument(name, value, known))
        changed = changed_arguments(compared, {**objects, **keywords}, saved)
        if self.adapted and follows_another(self.adapted, self.adapt, saved.get("adapt")):
            changed.add(self.adapted)
        self._adaptation.reset(changed)

    def learn(self, total_timesteps: int, *args: Any, **kwargs: Any) -> Self:
        """Train as in SB3, with the name of the class as the default ``tb_log_name``.

        :param total_timesteps: number of environment steps
        :raises ValueError: when a rule follows the returns of episodes and no Monitor records them, or when an
            adaptive coefficient starts at 0 or out of bounds, as in a model that was loaded with other coefficients
        """
        self._follow_attributes()
        self._check_rules()
        if len(args) < 3:  # ``tb_log_name`` is the third one
            kwargs.setdefault("tb_log_name", type(self).__name__)
        return super().learn(total_timesteps, *args, **kwargs)
