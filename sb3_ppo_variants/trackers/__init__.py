"""Dashboards of the variants' log keys in TensorBoard (extra ``tensorboard``) and Weights & Biases (extra ``wandb``).

Both go through SB3's own logger: :mod:`.tensorboard` adds a layout to its event file, :mod:`.weights_and_biases` what
W&B's own callback does not know of a variant.
"""
