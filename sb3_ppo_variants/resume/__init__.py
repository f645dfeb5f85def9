"""Exact resume: a run that was killed continues in a new process as if it had never stopped."""

from sb3_ppo_variants.resume.resume import ResumeCallback, resume_model

__all__ = ["ResumeCallback", "resume_model"]
