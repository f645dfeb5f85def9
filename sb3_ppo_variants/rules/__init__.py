"""The feedback rules of the package by name, one file each."""

from sb3_ppo_variants.feedback import Rule
from sb3_ppo_variants.rules.band import BAND
from sb3_ppo_variants.rules.bandit import BANDIT
from sb3_ppo_variants.rules.proportional import PROPORTIONAL
from sb3_ppo_variants.rules.rescale import RESCALE

RULES: dict[str, Rule] = {rule.name: rule for rule in (BAND, PROPORTIONAL, BANDIT, RESCALE)}
