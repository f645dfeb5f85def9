"""The terms that have a name: one file each, listed here."""

from sb3_ppo_variants.chain import Term
from sb3_ppo_variants.terms.clip import CLIP
from sb3_ppo_variants.terms.dual_clip import DUAL_CLIP
from sb3_ppo_variants.terms.kl_penalty import KL_PENALTY

TERMS: dict[str, Term] = {term.name: term for term in (CLIP, DUAL_CLIP, KL_PENALTY)}
