"""Exact resume: a run that was killed continues in a new process as if it had never stopped."""

from sb3_ppo_variants.resume.callback import ResumeCallback
from sb3_ppo_variants.resume.model import resume_model
from sb3_ppo_variants.resume.processes import ResumableEnv

__all__ = ["ResumableEnv", "ResumeCallback", "resume_model"]
