"""Finished folders become tables."""
