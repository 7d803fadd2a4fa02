"""One system call an operation."""

import mmap as python_mmap
import os
import _socket  # what `socket` is built on, without its other imports

from libc.errno cimport ENOSYS, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from posix.unistd cimport close

from cyext.core.workload cimport Workload

from cyext.core.errors import LimitReached, NotSupported, OperationFailed
from cyext.core.parameters import one_of
from cyext.core.scratch import ScratchFile


cdef extern from "os/mapping.h" nogil:
    int MICRO_HUGE_PAGES
    int MICRO_SMALL_PAGES
    void *micro_advised_buffer(size_t bytes, int advice, void **base, size_t *length)
    int micro_memory_file(size_t bytes)
    int munmap(void *address, size_t length)

cdef extern from "os/repeated_calls.h" nogil:
    ctypedef struct micro_given_t:
        int fd
        const char *name
        void *buffer
        size_t bytes
    ctypedef int64_t (*micro_calls_t)(
        const micro_given_t *given, uint64_t n, uint64_t *made) noexcept nogil
    int64_t micro_calls_getppid(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_clock_gettime(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_clock_read(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_stat(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_fstat(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_read(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_write(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_pread(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_pwrite(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_open_missing(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_lseek(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_getrusage(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_sched_yield(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_chdir(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_fcntl(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_msync(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_brk(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_times(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_isatty(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_getsockname(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_getpeername(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_getsockopt(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_setsockopt(const micro_given_t *given, uint64_t n, uint64_t *made)
    int64_t micro_calls_listen(const micro_given_t *given, uint64_t n, uint64_t *made)

cdef extern from "<sys/mman.h>" nogil:
    int PROT_READ
    int PROT_WRITE
    int MAP_SHARED
    void *MAP_FAILED
    void *mmap(void *start, size_t bytes, int protection, int flags, int fd, long offset)

# The largest a call's answer may be, and the file of `Pread` and `Pwrite`.
cdef size_t ANSWER_BYTES = 4096
cdef size_t FILE_BYTES = 1 << 20
cdef size_t MOST_FILE_BYTES = 1 << 26


cdef class _Calls(Workload):
    """One operation is one system call; ``calls`` makes n of them and ``call`` is its name."""

    cdef micro_calls_t calls
    cdef const char *call
    cdef micro_given_t given
    cdef void *base
    cdef size_t base_bytes
    cdef object file   # to be removed, or None
    cdef bytes name

    def __cinit__(self, *args, **kwargs):
        memset(&self.given, 0, sizeof(self.given))
        self.given.fd = -1
        self.given.bytes = 1
        self.base = NULL

    cdef begin(self, const char *call, micro_calls_t calls, size_t bytes_ = ANSWER_BYTES):
        """Make this call from now on, with a buffer of so many bytes."""
        self.call = call
        self.calls = calls
        # A huge page for a word would cost a team of thousands gigabytes.
        pages = MICRO_HUGE_PAGES if bytes_ > ANSWER_BYTES else MICRO_SMALL_PAGES
        self.given.buffer = micro_advised_buffer(bytes_, pages, &self.base, &self.base_bytes)
        if self.given.buffer == NULL:
            error = errno
            self.put_away()
            raise OperationFailed("mmap", error, 0)

    cdef use_file(self):
        """Let the call have a scratch file by its descriptor."""
        self.file = ScratchFile()
        self.given.fd = self.file.fd

    cdef use_name(self, suffix):
        """Let the call have a directory, and in it the name of a scratch file plus ``suffix``."""
        self.file = ScratchFile()
        self.name = self.file.name + suffix
        self.given.name = self.name
        try:
            self.given.fd = os.open(self.file.directory, os.O_RDONLY | os.O_DIRECTORY)
        except BaseException:
            self.put_away()
            raise

    cdef try_once(self, lacking):
        """`NotSupported`, for the reason ``lacking``, where the system has no such call."""
        try:
            self.run(1)
        except OperationFailed as failure:
            if failure.errno != ENOSYS:
                raise
            self.close()
            raise NotSupported(lacking) from None

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef uint64_t made = 0
        cdef int64_t status = self.calls(&self.given, n, &made)
        return self.fail(self.call, -status, made) if status else 0

    def __dealloc__(self):
        if self.base != NULL:
            munmap(self.base, self.base_bytes)

    cdef put_away(self):
        if self.given.fd >= 0 and (self.file is None or self.file.fd != self.given.fd):
            close(self.given.fd)
        self.given.fd = -1
        if self.file is not None:
            self.file.remove()
            self.file = None

    def close(self):
        """Close and remove what the call works on."""
        self.put_away()
        Workload.close(self)


cdef class Getppid(_Calls):
    """One operation: getppid() by a system call."""

    def __init__(self):
        self.begin(b"getppid", micro_calls_getppid)


cdef class ClockGettime(_Calls):
    """One operation: read the monotonic clock by the C library ("library") or a "call"."""

    def __init__(self, by="library"):
        if one_of(by, {"library": True, "call": False}):
            self.begin(b"clock_gettime", micro_calls_clock_read)
        else:
            self.begin(b"clock_gettime", micro_calls_clock_gettime)
            self.try_once("this system's clock is read by its library only")


cdef class Read(_Calls):
    """One operation: read() of one byte of /dev/zero."""

    def __init__(self):
        self.given.fd = os.open("/dev/zero", os.O_RDONLY)
        self.begin(b"read", micro_calls_read)


cdef class Write(_Calls):
    """One operation: write() of one byte to /dev/null."""

    def __init__(self):
        self.given.fd = os.open("/dev/null", os.O_WRONLY)
        self.begin(b"write", micro_calls_write)


cdef class _OfFile(_Calls):
    """Calls that move ``level`` bytes between a buffer and a file in memory."""

    cdef uint64_t file_bytes

    def __init__(self):
        cdef int fd = micro_memory_file(FILE_BYTES)
        if fd == -ENOSYS:
            self.use_file()
        elif fd < 0:
            raise OperationFailed("memfd_create", -fd, 0)
        else:
            self.given.fd = fd
        try:
            self.fill(FILE_BYTES)
        except BaseException:
            self.close()
            raise

    cdef fill(self, uint64_t wanted):
        """Give every page of the file memory, so that no operation has to."""
        cdef uint64_t more = wanted - self.file_bytes
        if os.pwrite(self.given.fd, bytes(more), self.file_bytes) != more:
            raise OperationFailed("pwrite", 0, 0)
        self.file_bytes = wanted

    def grow(self, uint64_t level):
        """Move ``level`` bytes a call."""
        cdef uint64_t goal = min(level, MOST_FILE_BYTES)
        if goal > self.file_bytes:
            self.fill(goal)
            munmap(self.base, self.base_bytes)
            self.base = NULL
            self.begin(self.call, self.calls, goal)
        self.level = goal
        self.given.bytes = goal
        if goal < level:
            raise LimitReached(goal, f"the file holds {MOST_FILE_BYTES >> 20} MiB")


cdef class Pread(_OfFile):
    """One operation: pread() of ``level`` bytes from the start of a file in memory."""

    def __init__(self):
        _OfFile.__init__(self)
        self.begin(b"pread", micro_calls_pread, FILE_BYTES)


cdef class Pwrite(_OfFile):
    """One operation: pwrite() of ``level`` bytes to the start of a file in memory."""

    def __init__(self):
        _OfFile.__init__(self)
        self.begin(b"pwrite", micro_calls_pwrite, FILE_BYTES)


cdef class Stat(_Calls):
    """One operation: fstatat() of a file by a name without directories."""

    def __init__(self):
        self.use_name(b"")
        self.begin(b"stat", micro_calls_stat)


cdef class Fstat(_Calls):
    """One operation: fstat() of an open file."""

    def __init__(self):
        self.use_file()
        self.begin(b"fstat", micro_calls_fstat)


cdef class OpenMissing(_Calls):
    """One operation: openat() of a name that does not exist, and failed before."""

    def __init__(self):
        self.use_name(b"-missing")
        self.begin(b"openat", micro_calls_open_missing)


cdef class Lseek(_Calls):
    """One operation: lseek() of a file to another offset than it is at."""

    def __init__(self):
        self.use_file()
        self.begin(b"lseek", micro_calls_lseek)


cdef class Getrusage(_Calls):
    """One operation: getrusage() of the process."""

    def __init__(self):
        self.begin(b"getrusage", micro_calls_getrusage)


cdef class SchedYield(_Calls):
    """One operation: sched_yield(), no other thread waiting for the CPU."""

    def __init__(self):
        self.begin(b"sched_yield", micro_calls_sched_yield)


cdef class Chdir(_Calls):
    """One operation: chdir() to the directory that is the current one."""

    def __init__(self):
        self.begin(b"chdir", micro_calls_chdir)


cdef class Fcntl(_Calls):
    """One operation: fcntl(F_GETFL) of an open file."""

    def __init__(self):
        self.use_file()
        self.begin(b"fcntl", micro_calls_fcntl)


cdef class Msync(_OfFile):
    """One operation: msync(MS_SYNC) of 1 MiB of a mapped file in memory."""

    def __init__(self):
        _OfFile.__init__(self)
        self.call, self.calls = b"msync", micro_calls_msync
        self.given.bytes = FILE_BYTES
        self.given.buffer = mmap(
            NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, self.given.fd, 0)
        if self.given.buffer == MAP_FAILED:
            error = errno
            self.close()
            raise OperationFailed("mmap", error, 0)
        self.base, self.base_bytes = self.given.buffer, FILE_BYTES


cdef class Brk(_Calls):
    """One operation: brk() to a page beyond the heap's end, and back."""

    def __init__(self):
        self.call, self.calls = b"brk", micro_calls_brk
        self.given.bytes = python_mmap.PAGESIZE
        self.try_once("this system has no call that sets the end of the heap")


cdef class Times(_Calls):
    """One operation: times(), the CPU time of the process and its children."""

    def __init__(self):
        self.begin(b"times", micro_calls_times)


cdef class Isatty(_Calls):
    """One operation: isatty() of an open file, which is no terminal."""

    def __init__(self):
        self.use_file()
        self.begin(b"isatty", micro_calls_isatty)


cdef struct _SocketCall:
    const char *name
    micro_calls_t calls

cdef _SocketCall[5] SOCKET_CALLS = [
    _SocketCall(b"getsockname", micro_calls_getsockname),
    _SocketCall(b"getpeername", micro_calls_getpeername),
    _SocketCall(b"getsockopt", micro_calls_getsockopt),
    _SocketCall(b"setsockopt", micro_calls_setsockopt),
    _SocketCall(b"listen", micro_calls_listen),
]


cdef class OfSocket(_Calls):
    """One operation: ``call`` of a connected TCP socket, or listen() of one that listens.

    The option that is asked for, and set alternately to 0 and 1, is TCP_NODELAY.
    """

    cdef tuple others   # sockets that the one in question needs

    def __init__(self, call="getsockname"):
        cdef int i, number
        number = one_of(call, {SOCKET_CALLS[i].name.decode(): i for i in range(5)})
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        client = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        self.others = listener, client
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client.connect(listener.getsockname())
        self.given.fd = (listener if call == "listen" else client).detach()
        self.begin(SOCKET_CALLS[number].name, SOCKET_CALLS[number].calls)

    def close(self):
        """Close the sockets."""
        for other in self.others or ():
            other.close()
        _Calls.close(self)
