"""Workloads: the compiled code between two clock reads. See workload.pyx for the contract."""
