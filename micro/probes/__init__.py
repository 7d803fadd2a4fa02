"""Declarations, a module a family: each lists its probes in ``PROBES``."""
