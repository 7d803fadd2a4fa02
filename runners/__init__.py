"""Measuring and judging: jobs in, estimates out. Nothing here knows a probe by its name."""
