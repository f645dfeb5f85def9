"""What a model is, as plain data."""

from __future__ import annotations

import json

from sb3_ppo_variants import VariantPPO
from tests import own_code
from tests.models import BAND


def test_the_description_is_whole() -> None:
    chain = ["clip", "dual_clip", "kl_penalty"]
    model = VariantPPO("MlpPolicy", "CartPole-v1", objective=chain, adapt={"kl_coef": BAND}, ent_coef="lin_0.01")
    assert json.loads(json.dumps(model.describe())) == {
        "objective": ["clip", "dual_clip", "kl_penalty"],
        "coefficients": {
            "learning_rate": 3e-4,
            "ent_coef": {"start": 0.01, "end": 0.0},
            "vf_coef": 0.5,
            "clip_range": 0.2,
            "dual_clip": 3.0,
            "kl_coef": 1.0,
        },
        "regularizers": [],
        "hooks": [],
        "options": {
            "kl_direction": "forward",
            "kl_estimator": "exact",
        },
        "adapt": {
            "kl_coef": {
                "rule": "band",
                "follow": "kl",
                "tighter": "up",
                "target": 0.01,
                "width": 1.5,
                "factor": 2.0,
                "low": 1e-3,
                "high": 1e3,
            }
        },
        "stop": {},
    }


def test_all_parts_are_named_with_their_numbers() -> None:
    model = VariantPPO(
        "MlpPolicy",
        "CartPole-v1",
        n_steps=32,
        objective=["clip", own_code.DISTANCE, "kl_penalty"],
        distance_coef="lin_0.5",
        regularizers="churn",
        hooks=["tests.own_code.Nothing"],
        reset_adam_step=True,
        outer_step=1.5,
        stop={own_code.LARGEST: 3},
        adapt={"clip_range": {"rule": "band", "follow": "approx_kl", "target": 0.02, "low": 0.1, "high": 0.4}},
    )
    found = json.loads(json.dumps(model.describe()))
    assert found["objective"] == ["clip", "distance", "kl_penalty"]
    assert found["regularizers"] == ["churn"]
    assert found["hooks"] == ["OuterStep", "ResetAdamStep", "Nothing"]
    assert found["coefficients"]["distance_coef"] == {"start": 0.5, "end": 0.0}
    assert found["coefficients"]["vf_coef"] == 0.5
    of_hooks = {"reset_adam_step": True, "outer_step": 1.5, "outer_momentum": 0.0}
    assert found["options"] == {"kl_direction": "forward", "kl_estimator": "exact", **of_hooks}
    assert found["stop"] == {"largest": 3.0}
    band = {"rule": "band", "follow": "approx_kl", "target": 0.02, "width": 1.5, "factor": 2.0}
    assert found["adapt"] == {"clip_range": {**band, "tighter": "down", "low": 0.1, "high": 0.4}}
