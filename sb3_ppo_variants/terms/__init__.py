"""The terms of the package by name, one file each."""

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.terms.asymmetric_clip import ASYMMETRIC_CLIP
from sb3_ppo_variants.terms.cispo import CISPO
from sb3_ppo_variants.terms.clip import CLIP
from sb3_ppo_variants.terms.drift import DRIFT
from sb3_ppo_variants.terms.dual_clip import DUAL_CLIP
from sb3_ppo_variants.terms.kl_hinge import KL_HINGE
from sb3_ppo_variants.terms.kl_penalty import KL_PENALTY
from sb3_ppo_variants.terms.positive_advantage import POSITIVE_ADVANTAGE
from sb3_ppo_variants.terms.rollback import ROLLBACK
from sb3_ppo_variants.terms.soft_clip import SOFT_CLIP
from sb3_ppo_variants.terms.spo import SPO
from sb3_ppo_variants.terms.trust_region import TRUST_REGION
from sb3_ppo_variants.terms.trust_region_clip import TRUST_REGION_CLIP
from sb3_ppo_variants.terms.trust_region_penalty import TRUST_REGION_PENALTY

SHAPES = (CLIP, ASYMMETRIC_CLIP, ROLLBACK, TRUST_REGION, TRUST_REGION_CLIP, SPO, DRIFT, SOFT_CLIP, CISPO)
BOUNDS = (DUAL_CLIP, POSITIVE_ADVANTAGE)
PENALTIES = (KL_PENALTY, KL_HINGE, TRUST_REGION_PENALTY)

TERMS: dict[str, Term] = {term.name: term for term in (*SHAPES, *BOUNDS, *PENALTIES)}
