"""The loop is what its module says in one piece."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

import pytest
from stable_baselines3.common.callbacks import BaseCallback
from torch.nn.utils import clip_grad_norm_

from sb3_ppo_variants import KLPenaltyPPO, VariantPPO
from sb3_ppo_variants.kl import kl_divergence
from sb3_ppo_variants.loop import training
from sb3_ppo_variants.loop.rollout import draw_minibatches
from sb3_ppo_variants.minibatch import Minibatch
from tests.models import same_weights

NAMES = {
    "Minibatch": Minibatch,
    "clip_grad_norm_": clip_grad_norm_,
    "draw_minibatches": draw_minibatches,
    "kl_divergence": kl_divergence,
}


class InOnePiece(BaseCallback):
    """Lets the model train by the code in the docstring of the module."""

    def _init_callback(self) -> None:
        block = inspect.cleandoc(training.__doc__ or "").split(".. code-block:: python\n")[1]
        code = compile(textwrap.dedent(block), "training.py", "exec")
        self.model.train = lambda: exec(code, {**NAMES, "model": self.model})  # type: ignore[method-assign,attr-defined]

    def _on_step(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("cls", "environment", "arguments"),
    [
        (VariantPPO, "CartPole-v1", {"objective": ["clip", "kl_penalty"], "kl_coef": 0.5, "learning_rate": 0.01}),
        (KLPenaltyPPO, "Pendulum-v1", {"ent_coef": 0.01, "desired_kl": 0.003, "learning_rate": 0.01}),
    ],
)
def test_the_loop_in_one_piece(cls: Any, environment: str, arguments: dict[str, Any]) -> None:
    def trained(callback: BaseCallback | None) -> Any:
        # The random generators are global: a model is made right before it learns.
        model = cls("MlpPolicy", environment, n_steps=64, batch_size=32, n_epochs=3, seed=1, **arguments)
        return model.learn(256, callback=callback)

    whole, piece = trained(None), trained(InOnePiece())
    assert same_weights(whole, piece)
    assert whole._n_updates == piece._n_updates == 12
    assert whole.adaptive_state == piece.adaptive_state
    assert cls is VariantPPO or whole.adaptive_state["kl_coef"]["multiplier"] != 1.0
