"""Memory bandwidth and latency."""
