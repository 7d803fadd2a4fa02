"""Locks, uncontended and contended."""
