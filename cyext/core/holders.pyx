"""Processes that hold descriptors for this one, where its own limit has no room for more."""

from libc.errno cimport EINTR, EMFILE, errno
from posix.unistd cimport _exit, close, fork, getpid, getppid, pipe, read

from cyext.core.resources cimport Descriptors


cdef extern from "<signal.h>" nogil:
    int SIGKILL
    int kill(int pid, int signal)

cdef extern from "<sys/wait.h>" nogil:
    int waitpid(int pid, int *status, int options)

cdef extern from "os/process.h" nogil:
    int micro_die_with_parent()


cdef class Holders:
    """At most `MOST_HOLDERS` children, each blocked, with the descriptors that it was forked with.

    They end with this process, whatever ends it: the system kills them, or they read the end of the
    pipe that only this process writes to.
    """

    def __cinit__(self):
        self.count = 0
        self.leash[0] = self.leash[1] = -1

    def __dealloc__(self):
        self.release()

    cdef int adopt(self, Descriptors held, const char **call) noexcept nogil:
        """Leave all descriptors to a new child. 0, or -errno with the failed call's name."""
        cdef int owner = getpid()
        cdef int child
        cdef char byte
        call[0] = b"fork"
        if self.count == MOST_HOLDERS:
            return -EMFILE
        if self.leash[0] < 0 and pipe(self.leash) != 0:
            call[0] = b"pipe"
            return -errno
        child = fork()
        if child < 0:
            return -errno
        if child == 0:
            close(self.leash[1])
            micro_die_with_parent()
            while getppid() == owner and read(self.leash[0], &byte, 1) < 0 and errno == EINTR:
                pass
            _exit(0)
        self.pids[self.count] = child
        self.count += 1
        held.close_down_to(0)
        return 0

    cdef void release(self) noexcept nogil:
        """End all children, and with them what they hold."""
        cdef int i
        for i in range(self.count):
            kill(self.pids[i], SIGKILL)
        for i in range(self.count):
            while waitpid(self.pids[i], NULL, 0) < 0 and errno == EINTR:
                pass
        self.count = 0
        for i in range(2):
            if self.leash[i] >= 0:
                close(self.leash[i])
                self.leash[i] = -1
