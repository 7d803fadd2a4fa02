"""Recorded sessions, a directory for each operating system, architecture and CPU count."""
