"""A run becomes a finished folder."""
