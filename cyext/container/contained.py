"""Operations of other families, in a process that is in control groups below one another."""

from typing import ClassVar

from cyext.core.cgroups import CONTROLLERS, Groups
from cyext.core.errors import NotSupported
from cyext.core.page_sizes import SMALL_PAGES
from cyext.core.parameters import one_of
from cyext.fd.descriptors import SocketCreate
from cyext.mmap.page_faults import FaultAnon
from cyext.process.parents import ForkExit as PlainForkExit
from cyext.syscall.calls import Getppid


class _InGroups:
    """Before the workload of another probe, which it makes ``depth`` groups below this process's.

    What is measured is that workload's own compiled loop; only this process's group differs.
    """

    #: Parameters of the other probe.
    plain: ClassVar[dict[str, str]] = {}

    def __init__(self, controller: str = "memory", depth: int = 0) -> None:
        if not 0 <= depth <= 64:
            raise ValueError(f"not a value of this parameter: {depth!r}")
        self._groups = Groups(str(one_of(controller, {name: name for name in CONTROLLERS})))
        try:
            self._groups.enter(depth)
            super().__init__(**self.plain)
        except BaseException:
            self.close()
            raise

    def meet(self, members: list[object], index: int, mode: str) -> None:
        """Refuse a team: all of a process is in one group."""
        if len(members) > 1:
            raise NotSupported("its process is in groups of its own")

    def close(self) -> None:
        """Give everything back, leave the groups and remove them; may be called twice."""
        super().close()  # type: ignore[misc]  # the workload's
        self._groups.leave()


class NullCall(_InGroups, Getppid):  # type: ignore[misc]  # a compiled class
    """One operation: that of `syscall.getppid`."""


class PageFault(_InGroups, FaultAnon):  # type: ignore[misc]  # a compiled class
    """One operation: that of `mmap.fault_anon` with small pages."""

    plain: ClassVar = {"pages": SMALL_PAGES}


class ForkExit(_InGroups, PlainForkExit):  # type: ignore[misc]  # a compiled class
    """One operation: that of `process.fork_exit` of a static parent."""

    plain: ClassVar = {"image": "static"}


class Socket(_InGroups, SocketCreate):  # type: ignore[misc]  # a compiled class
    """One operation: that of `fd.socket_create` of TCP."""

    plain: ClassVar = {"family": "tcp"}
