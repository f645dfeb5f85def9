"""Numbers become report.md and report.html."""
