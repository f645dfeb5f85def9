"""``python -m sb3_ppo_variants.bench`` is ``ppo-bench``."""

import sys

from sb3_ppo_variants.bench.cli import main

if __name__ == "__main__":
    sys.exit(main())
