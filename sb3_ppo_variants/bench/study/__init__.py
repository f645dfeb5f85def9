"""A study file becomes a list of runs."""
