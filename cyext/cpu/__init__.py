"""The processor alone."""
