"""The conditions that end an update early, by name, one file each."""

from sb3_ppo_variants.stopping import Stop
from sb3_ppo_variants.stops.kl import KL
from sb3_ppo_variants.stops.ratio_deviation import RATIO_DEVIATION

STOPS: dict[str, Stop] = {stop.name: stop for stop in (RATIO_DEVIATION, KL)}
