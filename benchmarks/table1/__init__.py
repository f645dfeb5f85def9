"""Table 1 of the PPO paper from the runs of the study mujoco_table1."""
