"""What a map is of: memory of no file, or a file in memory."""

import mmap

from cyext.core.parameters import one_of
from cyext.core.scratch import cached_file

_FLAGS: "dict[str, object]" = {
    "memory": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
    "shared": mmap.MAP_SHARED,
    "private": mmap.MAP_PRIVATE,
}


class Mapped:
    """What mmap() is given for ``map``: its ``flags`` and ``fd``.

    "memory" is private anonymous memory (no file: -1), "shared" and "private" are of an empty file.
    """

    def __init__(self, map: str) -> None:
        self.flags = one_of(map, _FLAGS)
        self._file = None if map == "memory" else cached_file()
        self.fd = -1 if self._file is None else self._file.fd

    def hold(self, size_bytes: int) -> None:
        """Let the file, if there is one, have so many bytes, all of them zero and in memory."""
        if self._file is not None:
            self._file.fill(size_bytes, b"\0")

    def remove(self) -> None:
        """Close the file; may be called twice."""
        if self._file is not None:
            self._file.remove()
            self._file = None
