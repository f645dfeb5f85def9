"""A learning rate of the critic's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch as th

from sb3_ppo_variants.loop.hook import UpdateHook

# Modules of SB3's and sb3-contrib's policies that the actor has no part in.
CRITIC = ("value_net", "mlp_extractor.value_net", "vf_features_extractor", "lstm_critic", "critic")


class CriticLearningRate(UpdateHook):
    """``vf_learning_rate``: the critic's own layers learn at a rate of their own.

    What actor and critic share goes with the actor. The optimiser has two parameter groups within an update and its one
    group outside, so models are saved and loaded as ever, by the stock class too. A rule on ``learning_rate`` moves the
    actor's rate alone.

    SB3 issue #338 asks for it; no paper is behind it. Andrychowicz et al., "What Matters In On-Policy Reinforcement
    Learning?", 2020, arXiv 2006.05990, finds that critics want networks of their own and of another size.
    """

    @classmethod
    def is_used(cls, values: Mapping[str, Any]) -> bool:
        """Whether there is a rate.

        :param values: of all arguments
        """
        return values["vf_learning_rate"] is not None

    def check(self, model: Any) -> None:
        """Refuse a policy whose critic has no layers that are known to be its own.

        :param model: that is set up
        :raises ValueError: naming the policy
        """
        if not critic_parameters(model.policy):
            raise ValueError(
                f"vf_learning_rate={model.vf_learning_rate!r}: {type(model.policy).__name__} has no layers of the "
                f"critic's own; they are looked for as {', '.join(CRITIC)}"
            )

    @contextmanager
    def around_update(self, model: Any, update: Any) -> Iterator[None]:
        """Split the parameter groups of the optimiser within the block.

        :param model: about to be updated
        :param update: about to begin
        """
        optimizer, groups = model.policy.optimizer, model.policy.optimizer.param_groups
        rate = update.values["vf_learning_rate"]
        critic = {id(parameter) for parameter in critic_parameters(model.policy)}
        optimizer.param_groups = [part for group in groups for part in _split(group, critic, rate)]
        try:
            yield
        finally:
            optimizer.param_groups = groups


def critic_parameters(policy: Any) -> list[th.nn.Parameter]:
    """The parameters of the layers that are the critic's own.

    :param policy: of an actor-critic algorithm
    """
    shared = {id(p) for p in _actor_parameters(policy)}
    named = policy.named_parameters()
    return [p for name, p in named if name.startswith(tuple(f"{part}." for part in CRITIC)) and id(p) not in shared]


def _actor_parameters(policy: Any) -> Iterator[th.nn.Parameter]:
    own = [getattr(policy, name, None) for name in ("features_extractor", "pi_features_extractor", "lstm_actor")]
    own += [getattr(getattr(policy, "mlp_extractor", None), "policy_net", None), getattr(policy, "action_net", None)]
    for module in own:
        if isinstance(module, th.nn.Module):
            yield from module.parameters()


def _split(group: dict[str, Any], critic: set[int], rate: float) -> Iterator[dict[str, Any]]:
    own = [parameter for parameter in group["params"] if id(parameter) in critic]
    others = [parameter for parameter in group["params"] if id(parameter) not in critic]
    parts = ({**group, "params": others}, {**group, "params": own, "lr": rate})
    return (part for part in parts if part["params"])
