"""The commands of ``ppo-bench``, one per file: its parser, and the function that carries it out.

The functions import what they need, so that the parser, and with it ``--help``, needs no optional package.
"""
