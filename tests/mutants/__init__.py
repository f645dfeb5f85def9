"""Mutation tests: ``make test-mutants``."""
