"""Connections over the loopback address."""
