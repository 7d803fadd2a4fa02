"""Schedulers under load."""
