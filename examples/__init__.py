"""Short scripts to copy from; the steps of each are a constant of its module."""
