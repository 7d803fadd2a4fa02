"""Why a workload gives no figure: not here, no further, or a call failed."""

import errno


class NotSupported(Exception):
    """This system lacks what the probe measures; the text says what. The probe is skipped."""


class LimitReached(Exception):
    """The system would not hold more resources.

    ``reached`` is the level the workload now stands at, ``reason`` the limit, by its name.
    """

    def __init__(self, reached: int, reason: str) -> None:
        super().__init__(f"stopped at {reached}: {reason}")
        self.reached = reached
        self.reason = reason


class OperationFailed(OSError):
    """An operation of a batch failed: ``call``, ``errno``, and how many had succeeded before it."""

    def __init__(self, call: str, error: int, after: int) -> None:
        name = errno.errorcode.get(error, f"error {error}")
        super().__init__(error, f"{call}: {name} after {after}")
        self.call = call
        self.after = after
        self.reason = f"{call}: {name}"

    def __str__(self) -> str:
        return str(self.strerror)


def lacking(call: str, error: int) -> NotSupported:
    """That a system refuses a call without which there is nothing to measure."""
    return NotSupported(f"{call}: {errno.errorcode.get(error, error)}")
