"""Measurements of the package: each module is a command, as `python -m benchmarks.speed`."""
