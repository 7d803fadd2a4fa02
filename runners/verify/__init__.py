"""Proof that a probe measures what it says, a module a kind of check.

Each check takes a job and comes back as a `Check`. Nothing here knows a probe by name: what to
expect stands in the probe's `Promise` and, for reference programs, in their first lines.
"""
