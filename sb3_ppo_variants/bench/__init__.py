"""The harness: study (yaml) -> runs -> run folders -> table -> statistics -> report."""
