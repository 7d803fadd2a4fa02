"""What operations cost beside time that must not be counted while they are timed."""
