"""The benchmark harness: a study becomes runs, runs become tables, tables become numbers, numbers become pages.

- ``study/``: a YAML file becomes a list of :class:`.study.run.Run`
- ``runs/``: a ``Run`` becomes a finished folder
- ``table/``: folders become tables
- ``statistics/``: tables become numbers
- ``tuning/``: trials become the best arguments of every arm
- ``report/``: numbers become ``report.md`` and ``report.html``

The modules beside these folders are the commands of ``ppo-bench``.
"""
