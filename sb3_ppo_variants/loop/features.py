"""The last hidden layer of a policy, before its activation function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch as th
from stable_baselines3.common.torch_layers import CombinedExtractor


@contextmanager
def last_hidden_layer(policy: Any, watched: bool = True) -> Iterator[list[th.Tensor]]:
    """Keep what the last hidden layer of the actor gives within the block.

    :param policy: of an actor-critic algorithm
    :param watched: whether anyone wants to know
    :return: a list, to which each pass adds a tensor of shape ``(batch, width)``
    :raises ValueError: for a policy without hidden layers
    """
    outputs: list[th.Tensor] = []
    if not watched:
        yield outputs
        return
    handle = find_last_hidden_layer(policy).register_forward_hook(lambda _, __, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()


def _with_hidden_layers(networks: Iterable[th.nn.Module]) -> list[th.nn.Module]:
    return [each for each in networks if any(isinstance(module, th.nn.Linear) for module in each.modules())]


def find_last_hidden_layer(policy: Any) -> th.nn.Module:
    """The last linear layer before the one that gives the actions, or the layer normalisation after it.

    :param policy: of an actor-critic algorithm
    :raises ValueError: for a policy without hidden layers
    """
    own: Any = getattr(getattr(policy, "mlp_extractor", None), "policy_net", None)
    # The features of a recurrent policy come out of its LSTM, which has no value before an activation function.
    features = None if hasattr(policy, "lstm_actor") else getattr(policy, "pi_features_extractor", None)
    if isinstance(features, CombinedExtractor) and len(_with_hidden_layers(features.extractors.values())) > 1:
        features = None  # no layer has all that the actor sees
    for network in (own, features):
        modules = [] if network is None else list(network.modules())
        if any(isinstance(module, th.nn.Linear) for module in modules):
            return [module for module in modules if isinstance(module, (th.nn.Linear, th.nn.LayerNorm))][-1]
    raise ValueError(
        f"regularizers: the features of {type(policy).__name__} are not known: it has no hidden linear layer; give it "
        "one, with policy_kwargs={'net_arch': [64, 64]} say"
    )
