"""RL Zoo with the variants: ``python -m sb3_ppo_variants.zoo train --algo dual_clip_ppo --env CartPole-v1``.

Needs the extra ``zoo``. :func:`.register.register` adds the algorithms to rl_zoo3 in a script.
"""
