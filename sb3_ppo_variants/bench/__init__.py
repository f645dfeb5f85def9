"""The benchmark harness: a study becomes runs, runs become tables, tables become numbers, numbers become pages.

- ``study/``: a YAML file becomes a list of :class:`.study.run.Run`
- ``runs/``: a ``Run`` becomes a finished folder
- ``table/``: folders become tables
- ``statistics/``: tables become numbers
- ``tuning/``: trials become the best arguments of every arm
- ``report/``: numbers become ``report.md`` and ``report.html``

The modules beside these folders are the commands of ``ppo-bench``, and :func:`.load_results` for one's own analysis.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from sb3_ppo_variants.bench.results import Results as Results
    from sb3_ppo_variants.bench.results import load_results as load_results

# So that the import of a module of this package imports nothing else.
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"results": ["Results", "load_results"]})
