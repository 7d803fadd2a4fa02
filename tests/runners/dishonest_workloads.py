"""Workloads without compiled code that `verify` must see through, and honest ones that it must not.

An operation is one getpgid() or one dup() and close(). Loops are marked as `cyext.core.workload`
marks its own.
"""

from __future__ import annotations

import array
import ctypes
import os
import signal
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
MARK, LOOP_BEGINS, LOOP_ENDS = 0x6D69636D, 1, 2


def getpgid() -> None:
    """The call without Python's own idea of it, so that it can fail."""
    if libc.getpgid(0) < 0:
        raise OSError(ctypes.get_errno(), "getpgid")


class Honest:
    """One getpgid() an operation; whatever fails is told."""

    max_batch = 1000

    def __init__(self) -> None:
        self.level = 0

    def grow(self, level: int) -> None:
        self.level = level

    def operation(self) -> None:
        getpgid()

    def loop(self, n: int) -> None:
        for _ in range(n):
            self.operation()

    def run(self, n: int) -> int:
        libc.prctl(MARK, LOOP_BEGINS, 0, 0, 0)
        try:
            self.loop(n)
        finally:
            libc.prctl(MARK, LOOP_ENDS, 0, 0, 0)
        return 1000 * n

    def close(self) -> None:
        pass


class Persistent(Honest):
    """Tries again."""

    def operation(self) -> None:
        while libc.getpgid(0) < 0:
            pass


class OneMore(Honest):
    """A call too many in every operation."""

    def operation(self) -> None:
        getpgid()
        getpgid()


class Half(Honest):
    """Does every other operation only."""

    def loop(self, n: int) -> None:
        super().loop(n // 2)


class FromCache(Honest):
    """The first operations take what the batch before gave back, up to four; others ask for it."""

    kept = 0

    def loop(self, n: int) -> None:
        for i in range(n):
            getpgid()
            if i >= self.kept:
                libc.madvise(None, ctypes.c_size_t(0), 4)
        self.kept = min(n, 4)


class Twice(Honest):
    """A second kind of call that nobody promised."""

    def operation(self) -> None:
        getpgid()
        libc.close(-1)


class OncePerBatch(Honest):
    """What is done once in a batch is not the operation's."""

    def loop(self, n: int) -> None:
        libc.close(-1)
        super().loop(n)


class Faulting(Honest):
    """Touches a fresh page in every operation."""

    def run(self, n: int) -> int:
        size = os.sysconf("SC_PAGE_SIZE")
        libc.mmap.restype = ctypes.c_void_p
        address = libc.mmap(None, ctypes.c_size_t(2000 * size), 3, 0x22, -1, 0)
        libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(2000 * size), 15)
        libc.prctl(MARK, LOOP_BEGINS, 0, 0, 0)
        for page in range(n):
            ctypes.memset(address + page * size, 1, 1)
        libc.prctl(MARK, LOOP_ENDS, 0, 0, 0)
        libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(2000 * size))
        return 1000 * n


class Ignorant(Honest):
    """Does not look whether the call worked."""

    def operation(self) -> None:
        libc.getpgid(0)


class Unwell(Honest):
    """Does something bad once a call has failed."""

    def operation(self) -> None:
        if libc.getpgid(0) < 0:
            self.misbehave()

    def misbehave(self) -> None:
        raise NotImplementedError


class Hanging(Unwell):
    """Never comes back; the end of its time is made to come at once."""

    def misbehave(self) -> None:
        os.kill(os.getpid(), signal.SIGALRM)
        time.sleep(600)


class Crashing(Unwell):
    def misbehave(self) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)


class Mute(Unwell):
    def misbehave(self) -> None:
        os._exit(3)


class Leaking(Unwell):
    """Names the failure, but forgets a descriptor."""

    def misbehave(self) -> None:
        os.dup(0)
        raise OSError(1, "getpgid")


class Bearing(Unwell):
    """Names the failure, but leaves a child."""

    def misbehave(self) -> None:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        raise OSError(1, "getpgid")


class Untidy(Honest):
    """Leaves a file, descriptors and dead children, always."""

    children = 3

    def close(self) -> None:
        path = os.path.join(os.environ["MICRO_SCRATCH"], "left")
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        os.dup(0)
        os.dup(0)
        for _ in range(self.children):
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)


class Unsupported(Honest):
    def run(self, n: int) -> int:
        from cyext.core.workload import NotSupported

        raise NotSupported("no such call here")


class Scarce(Honest):
    def __init__(self) -> None:
        from cyext.core.workload import LimitReached

        raise LimitReached(2, "pthread_create: EAGAIN")


class Failing(Honest):
    def run(self, n: int) -> int:
        raise OSError(5, "getpgid: EIO after 0")


class Maps(Honest):
    """Forgets maps, alternately readable and writable so that they stay apart."""

    kept = 25

    def close(self) -> None:
        libc.mmap.restype = ctypes.c_void_p
        for i in range(self.kept):
            libc.mmap(None, ctypes.c_size_t(4096), 1 + 2 * (i % 2), 0x22, -1, ctypes.c_long(0))


class FewMaps(Maps):
    """As many as a library may keep."""

    kept = 10


class Threads(Honest):
    """Leaves two threads behind."""

    def close(self) -> None:
        for _ in range(2):
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


class Sampled(Honest):
    """A thousand nanoseconds an operation."""

    def sample(self, slices: int, n: int) -> array.array[int]:
        assert 1 <= n <= self.max_batch
        return array.array("q", [1000 * n, 6000, 7500, 6000, 7500, -1] * slices)


class Small(Sampled):
    max_batch = 7


class Single(Sampled):
    max_batch = 1


class Waiting(Honest):
    """Leaves a child that lives as long as its parent."""

    def __init__(self) -> None:
        super().__init__()
        self.leash = os.pipe()

    def close(self) -> None:
        read, write = self.leash
        if os.fork() == 0:
            os.close(write)
            os.close(1)
            os.read(read, 1)
            os._exit(0)
        os.close(read)
