"""Switches between tasks."""
