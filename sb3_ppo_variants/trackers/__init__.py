"""Dashboards of the variants' log keys in TensorBoard (extra ``tensorboard``) and Weights & Biases (extra ``wandb``).

Both use SB3's logger: :mod:`.tensorboard` adds a layout to its event file, :mod:`.weights_and_biases` adds the variant
to W&B's callback.
"""
