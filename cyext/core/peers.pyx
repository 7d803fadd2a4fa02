"""Threads, processes and programs beside the timed loop, and what ties a process to its parent.

peers.h explains them.
"""

import os

from libc.errno cimport EIO, errno
from libc.signal cimport SIGKILL
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from posix.unistd cimport read, write

from cyext.core.errors import OperationFailed
from cyext.core.parameters import one_of


cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef extern from "<stdatomic.h>" nogil:
    int64_t atomic_load(atomic_int_fast64_t *word)

cdef extern from "os/process.h" nogil:
    int micro_die_with_parent()
    int micro_adopt_orphans()

#: What a peer can run as: the values of a probe's parameter ``peer``.
KINDS = {"thread": MICRO_THREADS, "process": MICRO_PROCESSES}


cdef class Peers:
    """Peers of one workload that all do the same, as threads or as forked processes.

    ``kind`` is "thread" or "process". Peer i runs on ``cpus[i % len(cpus)]``; with ``anywhere`` on
    any of them, as the system likes; without CPUs wherever its owner may.
    """

    def __cinit__(self, kind, cpus=(), anywhere=False):
        # First, so that __dealloc__ closes nothing where the kind is refused.
        micro_peers_init(&self.group, MICRO_THREADS)
        self.group.kind = one_of(kind, KINDS)
        self.cpus = <int *>calloc(len(cpus) + 1, sizeof(int))
        if self.cpus == NULL:
            raise MemoryError
        self.group.cpus = self.cpus
        self.group.cpu_count = len(cpus)
        self.group.anywhere = anywhere
        for i, cpu in enumerate(cpus):
            self.cpus[i] = cpu

    def __dealloc__(self):
        micro_peers_close(&self.group)
        free(self.cpus)

    cdef start(self, micro_body_t body, void *argument, int64_t count):
        """Bring the peers to ``count``, each running ``body(self, argument)``.

        A peer without a body (NULL) waits for its end. Raises `OperationFailed` with the call that
        failed; the peers started before it go on.
        """
        cdef int status
        self.group.body = body
        self.group.argument = argument
        self.prepare(count)
        with nogil:
            status = micro_peers_keep(&self.group, count)
            while status == 0 and self.group.count < count:
                status = micro_peers_add(&self.group)
        if status:
            raise OperationFailed(self.group.call.decode(), -status, 0)

    cdef await_count(self, atomic_int_fast64_t *word, int64_t count):
        """Return once the peers have brought ``word`` to ``count``. Raises `OperationFailed`."""
        cdef int64_t status = 0
        with nogil:
            while status == 0 and atomic_load(word) < count:
                sched_yield()
                status = self.failed()
        if status:
            raise OperationFailed(self.group.call.decode(), -status, 0)

    def prepare(self, count):
        """Make all that ``count`` peers need, so that `micro_peers_add` only starts them."""
        cdef int status = micro_peers_open(&self.group)
        if status == 0:
            status = micro_peers_reserve(&self.group, count)
        if status:
            raise OperationFailed(self.group.call.decode(), -status, 0)

    cdef int64_t failed(self) noexcept nogil:
        """Why a peer ended early, as a negative errno, its call in ``group.call``; else 0."""
        return micro_peers_failed(&self.group)

    def follow(self, cpus):
        """Run on these CPUs from now on; as many as before."""
        for i in range(self.group.cpu_count):
            self.cpus[i] = cpus[i]
        micro_peers_follow(&self.group)

    def close(self):
        """End all peers; may be called twice. One that cannot be ended ends with its owner."""
        with nogil:
            micro_peers_close(&self.group)


cdef class Program:
    """A small program that obeys requests on a pipe and answers on another.

    It ends when the pipe of requests closes, so it never outlives its owner; one that does not read
    all the time has ``reads`` cleared, and is killed.
    """

    def __cinit__(self):
        self.pid = self.requests = self.answers = -1
        self.reads = True

    def __init__(self, path, *arguments):
        theirs = []
        try:
            for fd in (0, 1):
                ends = os.pipe()
                theirs.append((os.POSIX_SPAWN_DUP2, ends[fd], fd))
                if fd == 0:
                    self.requests = ends[1]
                else:
                    self.answers = ends[0]
            self.pid = os.posix_spawn(path, [path, *arguments], {}, file_actions=theirs)
        except OSError as error:
            self.close()
            raise OperationFailed("start of the parent program", error.errno, 0) from None
        finally:
            for _action, end, _fd in theirs:
                os.close(end)

    def __dealloc__(self):
        self.close()

    cdef int write_whole(self, const void *data, size_t size) noexcept nogil:
        """0 or a negative errno."""
        return 0 if write(self.requests, data, size) == <ssize_t>size else -errno

    cdef int read_whole(self, void *data, size_t size) noexcept nogil:
        """0 or a negative errno; -EIO where the program has ended."""
        cdef size_t have = 0
        cdef ssize_t got
        while have < size:
            got = read(self.answers, <char *>data + have, size - have)
            if got <= 0:
                return -(errno if got < 0 else EIO)
            have += <size_t>got
        return 0

    def follow(self, cpus):
        """Run on these CPUs from now on, where the system can do that."""
        if self.pid > 0 and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.pid, cpus)

    def close(self):
        """End the program; may be called twice."""
        for fd in (self.requests, self.answers):
            if fd >= 0:
                os.close(fd)
        self.requests = self.answers = -1
        if self.pid > 0:
            pid, self.pid = self.pid, -1
            try:
                if not self.reads:
                    os.kill(pid, SIGKILL)
                os.waitpid(pid, 0)
            except OSError:
                pass  # one that cannot be ended ends with its owner


def die_with_parent():
    """Ask to be killed when the parent process dies; False where the system cannot do that."""
    return bool(micro_die_with_parent())


def adopt_orphans():
    """Become the parent of descendants whose own parent ends; False where a system cannot."""
    return bool(micro_adopt_orphans())
