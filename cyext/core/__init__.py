"""The contract of all workloads and what they share."""
