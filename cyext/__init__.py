"""Kernels: the compiled code between two clock reads. See kernel.pyx for the contract."""
