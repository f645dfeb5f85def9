"""From the arguments of a model to its parts: objective, rules, stops, regularizers, hooks and their coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar

from stable_baselines3.common.type_aliases import Schedule

from sb3_ppo_variants.adaptation import Adaptation, build_controllers, with_own_rule
from sb3_ppo_variants.chain import build_chain
from sb3_ppo_variants.checks import (
    check_adapted,
    check_monitor,
    check_parts,
    check_stock_numbers,
    check_values,
    warn_of_stops,
)
from sb3_ppo_variants.coefficients import (
    CLIP_RANGE,
    CLIP_RANGE_VF,
    LEARNING_RATE,
    LOG_KL,
    LOSS_WEIGHTS,
    VF_LEARNING_RATE,
    Coefficient,
)
from sb3_ppo_variants.feedback import State
from sb3_ppo_variants.loop.apart import ApartDraws
from sb3_ppo_variants.loop.backup import Backup
from sb3_ppo_variants.loop.execution import Execution
from sb3_ppo_variants.loop.training import TrainingLoop
from sb3_ppo_variants.messages import Warnings, warn_user
from sb3_ppo_variants.own_parts import as_list, part_name
from sb3_ppo_variants.parts import (
    HOOK_ARGUMENTS,
    arguments_of_parts,
    build_hooks,
    execution_of,
    is_declared,
    name_is_taken,
)
from sb3_ppo_variants.regularization import build_regularization
from sb3_ppo_variants.regularizers import REGULARIZERS
from sb3_ppo_variants.rules import RULES
from sb3_ppo_variants.schedules import POINTS, as_schedule, copied, read_schedules
from sb3_ppo_variants.stopping import as_saved, build_stopping
from sb3_ppo_variants.stops import STOPS
from sb3_ppo_variants.terms import TERMS

# Arguments of SB3 that may be given as RL Zoo's strings; the zoo itself converts them only for its own entry point.
CLIP_RANGES = ("clip_range", "clip_range_vf")
STOCK_SCHEDULES = ("learning_rate", *CLIP_RANGES)
# What `_setup_model` builds from the arguments.
REBUILT = (
    "_chain", "_regularization", "_hooks", "_hooks_from", "_apart", "_adaptation",
    "_stopping", "_built_from", "_checked", "_bases", "_executions", "_backup", "_warnings", "_finished_returns",
)  # fmt: skip
# The stock arguments that may be adapted, whatever the objective.
STOCK_COEFFICIENTS = {c.name: c for c in (LEARNING_RATE, *LOSS_WEIGHTS, VF_LEARNING_RATE)}


def _copied(adapt: Any) -> Any:
    """The rules of a model, with copies of their dictionaries alone: a function stays the one that it is."""
    if not isinstance(adapt, Mapping):
        return adapt
    return {name: dict(rule) if isinstance(rule, Mapping) else rule for name, rule in adapt.items()}


class Assembly(TrainingLoop):
    """The training loop with the parts that its arguments name.

    The parts are built by ``_setup_model``, and again before a rollout if an attribute of an argument was changed.
    """

    # The objective of a named class, which cannot be changed.
    fixed_objective: ClassVar[list[str] | None] = None
    # The coefficient for which a named class has its own rule.
    adapted: ClassVar[str | None] = None

    objective: Any
    adapt: Any
    stop: Any
    regularizers: Any
    hooks: Any
    compile: bool | str
    adaptive_state: dict[str, State]

    def _setup_model(self) -> None:
        """Build what follows from the arguments, then what SB3 builds; also the last step of ``load``."""
        read_schedules(self, STOCK_SCHEDULES)
        check_stock_numbers(self)
        self._setup_lr_schedule()
        self._executions = {self.compile: execution_of(self, self.compile)}
        self._backup = Backup()
        self._warnings = Warnings()
        self._finished_returns = []
        self._apart = ApartDraws(self._draw_indices)
        self._hooks_from: list[Any] | None = None
        self._build_parts()
        super()._setup_model()
        self._check_parts()

    def _build_parts(self) -> None:
        """Build the parts; what the rules have learned goes on."""
        self.objective = as_list(self.objective)
        if self.fixed_objective is not None:
            self._check_objective(self.fixed_objective)
        self._chain = build_chain(self.objective, TERMS)
        self._regularization = build_regularization(self.regularizers, REGULARIZERS)
        for name, argument in arguments_of_parts(self._chain, self._regularization).items():
            if argument != CLIP_RANGE and is_declared(self, name) and name not in HOOK_ARGUMENTS:
                raise name_is_taken(self, name, self._regularization)
            if getattr(self, name, argument.default) is None and not getattr(argument, "optional", False):
                raise TypeError(f"{name} is needed by a term or a regularizer: give it a number")
            setattr(self, name, getattr(self, name, argument.default))
        self.stop = as_saved(self.stop)
        self._stopping = build_stopping(self.stop, STOPS)
        self._build_adaptation()
        if self._hooks_from != (of_hooks := self._of_hooks()):  # a hook remembers: one that stays is not made again
            self._hooks, self._hooks_from = build_hooks(self._hook_values(), self.hooks), of_hooks
        self._built_from = self._given()

    def _check_objective(self, own: list[Any]) -> None:
        """Refuse another objective than that of the class.

        :param own: that of the class
        """
        if list(map(part_name, self.objective)) != list(map(part_name, own)):
            raise ValueError(
                f"{type(self).__name__} has the objective {own}, not {self.objective}; "
                "a model with another one is loaded by the host's own Variant class, VariantPPO.load for PPO"
            )
        self.objective = list(own)  # a function in a zip is another object

    def _check_parts(self) -> None:
        """Refuse parts that policy and rollout buffer cannot serve, at any point of training."""
        values: list[dict[str, float]] = []
        for point in POINTS:
            at_point = self._adaptation.values(self._values_at(point))
            values += [at_point] if at_point not in values else []
        chains = [self._chain.bind(at | self._options()) for at in values]
        for chain in chains:
            chain.try_out(TERMS)
        needs_indices = self._measures_kl or any(chain.needs_old for chain in chains)
        check_parts(self, needs_indices, [self._regularization.bind(at) for at in values], self._hooks)

    def _given(self) -> list[Any]:
        """What the parts are built from; copies of what may be changed in place."""
        parts = [as_list(part) for part in (self.objective, self.regularizers)]
        left_out = {name for name, c in self._known_coefficients.items() if c.optional and getattr(self, name) is None}
        return [*parts, copy(self.stop), _copied(self.adapt), self._own_rule(), left_out, *self._of_hooks()]

    def _of_hooks(self) -> list[Any]:
        return [as_list(self.hooks), self._hook_values()]

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> bool:
        """Collect a rollout as in the stock class, with the parts that the attributes of the model name now.

        :raises ValueError: for an attribute that was changed to a value that is not allowed
        """
        self._follow_attributes()
        check_stock_numbers(self)
        return super().collect_rollouts(*args, **kwargs)

    def _follow_attributes(self) -> None:
        """Build the parts again if what they are built from has changed, and check values that are other ones."""
        for name in CLIP_RANGES:  # SB3 calls them
            if (value := getattr(self, name)) is not None and not callable(value):
                setattr(self, name, as_schedule(name, value))
        if self._given() != self._built_from or self._adaptation.state is not self.adaptive_state:
            self._build_parts()
            self._check_parts()
            self._check_rules()
        of_before = self._checked
        changed = {name: c for name, c in self._ranges.items() if getattr(self, name) is not of_before.get(name)}
        self._check_values(changed)

    def _check_values(self, coefficients: Mapping[str, Coefficient]) -> None:
        check_values(self, coefficients, self._chain.options)
        self._checked = {name: getattr(self, name) for name in self._ranges}

    def _check_rules(self) -> None:
        """Refuse to train rules that can learn nothing."""
        check_monitor(self, self._adaptation)
        self._adaptation.check_starts(self._values_at(1.0))

    def _hook_values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("vf_learning_rate", *HOOK_ARGUMENTS)}

    @property
    def _coefficients(self) -> dict[str, Coefficient]:
        """Everything that may follow a schedule and a rule, without what is left out."""
        return {
            name: c for name, c in self._known_coefficients.items() if not (c.optional and getattr(self, name) is None)
        }

    @property
    def _ranges(self) -> dict[str, Coefficient]:
        """The same, and the clip range of the value function, which no rule drives."""
        return self._coefficients | ({} if self.clip_range_vf is None else {CLIP_RANGE_VF.name: CLIP_RANGE_VF})

    @property
    def _known_coefficients(self) -> dict[str, Coefficient]:
        return STOCK_COEFFICIENTS | self._chain.coefficients | self._regularization.coefficients

    def _own_rule(self) -> dict[str, Any] | None:
        """The feedback rule of a named class for the coefficient that it adapts."""
        return None

    def _build_adaptation(self) -> None:
        self._check_values(self._ranges)
        LOG_KL.check(self.log_kl)
        bases = self._values_at(1.0)
        self.adapt = with_own_rule(self.adapt, self.adapted, self._own_rule())
        controllers = build_controllers(self.adapt, self._known_coefficients, RULES, self._regularization.shares)
        check_adapted(self, controllers, bases)
        self._adaptation = Adaptation(controllers, self.adaptive_state)
        for caution in self._chain.cautions(self._adaptation.values(bases) | self._options()):
            warn_user(caution)
        warn_of_stops(self.target_kl, self._stopping, self._adaptation)

    @property
    def _execution(self) -> Execution:
        """Follows an assignment to ``compile``; what was compiled before is kept."""
        if self.compile not in self._executions:
            self._executions[self.compile] = execution_of(self, self.compile)
        return self._executions[self.compile]

    def _scheduled_values(self, progress_remaining: float) -> dict[str, float]:
        """Every coefficient by its schedule alone; read anew each time, as SB3 reads its own attributes."""
        # Negative in the last update, if rollouts do not divide the budget; the stock classes look at theirs there.
        of_stock, within = dict.fromkeys(STOCK_SCHEDULES, progress_remaining), max(progress_remaining, 0.0)
        return {name: self._schedule(name)(of_stock.get(name, within)) for name in self._coefficients}

    def _values_at(self, progress_remaining: float) -> dict[str, float]:
        """The same, foreseen: schedules that count their calls do not count this one."""
        return {name: copied(self._schedule(name))(progress_remaining) for name in self._coefficients}

    def _schedule(self, name: str) -> Schedule:
        # SB3 steps its optimiser by a schedule made from the argument, which callbacks may replace.
        return self.lr_schedule if name == LEARNING_RATE.name else as_schedule(name, getattr(self, name))

    def _options(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in self._chain.options}

    def _excluded_save_params(self) -> list[str]:
        """Without what ``_setup_model`` builds again."""
        return [*super()._excluded_save_params(), *REBUILT]
