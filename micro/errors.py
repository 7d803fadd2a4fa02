"""Exit codes, and the one way to say that something cannot be done as asked."""

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2


class UsageError(Exception):
    """What the user asked for cannot be done; one sentence that says what, where and what to do."""
