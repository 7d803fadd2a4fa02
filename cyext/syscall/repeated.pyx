"""What every workload of one system call has: the loop, the buffer, the file or socket."""

from libc.errno cimport ENOSYS, errno
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from posix.unistd cimport close

from cyext.core.workload cimport Workload

from cyext.core.errors import NotSupported, OperationFailed


cdef extern from "os/mapping.h" nogil:
    int MICRO_HUGE_PAGES
    int MICRO_SMALL_PAGES
    void *micro_advised_buffer(size_t bytes, int advice, void **base, size_t *length)
    int munmap(void *address, size_t length)


cdef class RepeatedCalls(Workload):
    """One operation is one system call; ``calls`` makes n of them and ``call`` is its name."""

    def __cinit__(self, *args, **kwargs):
        memset(&self.given, 0, sizeof(self.given))
        self.given.fd = -1
        self.given.bytes = 1
        self.base = NULL

    cdef begin(self, const char *call, micro_calls_t calls, size_t bytes_=ANSWER_BYTES):
        """Make this call from now on, with a buffer of so many bytes, which begins a page."""
        self.call = call
        self.calls = calls
        # A huge page for a word would cost a team of thousands gigabytes.
        pages = MICRO_HUGE_PAGES if bytes_ > ANSWER_BYTES else MICRO_SMALL_PAGES
        if self.base != NULL:
            munmap(self.base, self.base_bytes)
        self.given.buffer = micro_advised_buffer(bytes_, pages, &self.base, &self.base_bytes)
        if self.given.buffer == NULL:
            error = errno
            self.put_away()
            raise OperationFailed("mmap", error, 0)

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
