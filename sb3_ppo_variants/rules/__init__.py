"""The feedback rules that have a name: one file each, listed here."""

from sb3_ppo_variants.adaptation import Rule
from sb3_ppo_variants.rules.band import BAND

RULES: dict[str, Rule] = {rule.name: rule for rule in (BAND,)}
