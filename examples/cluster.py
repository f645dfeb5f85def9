"""A study on a dask cluster of this machine; for another cluster, give ``ppo-bench`` the address of its scheduler."""

from __future__ import annotations

from pathlib import Path

import dask
from distributed import LocalCluster

from sb3_ppo_variants.bench.cli import main as ppo_bench

STEPS = 20_000
SEEDS = 5
RESULTS = Path("results")
STUDY = """
name: cluster_example
total_timesteps: {steps}
seeds: {seeds}
evaluation: {{every: {every}, episodes: 5, last: 1}}
arguments: {{device: cpu, n_steps: 256}}
environments:
  CartPole-v1: {{random_score: 22.7, reference_score: 500}}
arms:
  kl_penalty: {{algorithm: sb3_ppo_variants.KLPenaltyPPO}}
"""


def main() -> int:
    """Write the study, start a cluster, run the study on it; the command's exit status."""
    RESULTS.mkdir(exist_ok=True)
    study = RESULTS / "cluster_example.yaml"
    study.write_text(STUDY.format(steps=STEPS, seeds=SEEDS, every=STEPS // 2))
    # Every run is a separate process, which dask's daemonic workers may not start.
    with (
        dask.config.set({"distributed.worker.daemon": False}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
    ):
        address = cluster.scheduler_address
        return ppo_bench(["run", str(study), "--results", str(RESULTS), "--executor", "dask", "--scheduler", address])


if __name__ == "__main__":
    raise SystemExit(main())
