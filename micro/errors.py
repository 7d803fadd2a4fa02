"""Exit codes, and the one way to say that something cannot be done as asked."""

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
#: The gate's.
EXIT_REGRESSED, EXIT_SUSPECT, EXIT_INCONCLUSIVE, EXIT_NO_BASELINE = 3, 4, 5, 6
#: What ``git bisect run`` takes for "cannot be tested".
EXIT_SKIP = 125


class UsageError(Exception):
    """What the user asked for cannot be done; one sentence that says what, where and what to do."""
