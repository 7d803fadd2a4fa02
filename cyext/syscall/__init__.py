"""Workloads of single system calls."""
