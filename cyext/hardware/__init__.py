"""Workloads that measure the machine below the system: caches, TLBs and memory."""
