"""The commands of ``ppo-bench``, one per file: its parser, and the function that the parser names.

The functions import what they need themselves, so that ``--help`` answers at once and needs no optional package.
"""
