"""What every reader of stored files raises."""


class BadFile(ValueError):
    """A file that is no session; the text names it and says why, in one sentence."""
