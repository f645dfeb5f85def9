"""The sections of a report: what each of them says, written once for both formats."""
