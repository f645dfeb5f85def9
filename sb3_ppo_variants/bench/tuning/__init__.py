"""A study with ``tune`` -> trials -> the best arguments of every arm in every environment."""
