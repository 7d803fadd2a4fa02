"""The sentinel on CPUs beside that of the timed loop: a sleeping thread on each, run when asked."""

from libc.errno cimport errno
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free
from posix.unistd cimport close, pipe

from cyext.core.peers cimport (
    Peers, micro_owner_moves_byte, micro_peer_moves_byte, micro_peer_t)
from cyext.core.sentinel cimport micro_sense, micro_sense_t

from cyext.core.errors import OperationFailed


cdef int64_t serve(micro_peer_t *self, void *places) noexcept nogil:
    """Run the sentinel whenever asked."""
    cdef Elsewhere *mine = <Elsewhere *>places + self.index
    cdef int64_t moved = 1
    while moved == 1:
        moved = micro_peer_moves_byte(self, mine.asked[0], False)
        if moved == 1:
            micro_sense(&mine.sense)
            moved = micro_peer_moves_byte(self, mine.answered[1], True)
    return moved


cdef double ratio(const micro_sense_t *sense) noexcept nogil:
    return <double>sense.width_ns / <double>max(sense.chain_ns, <int64_t>1)


cdef class Sentinels:
    """A sentinel on each of ``cpus``. Raises `OperationFailed`."""

    def __init__(self, cpus):
        cdef int i
        self.places = <Elsewhere *>calloc(len(cpus), sizeof(Elsewhere))
        if self.places == NULL:
            raise MemoryError
        for i in range(len(cpus)):
            if pipe(self.places[i].asked) != 0:
                raise OperationFailed("pipe", errno, 0)
            if pipe(self.places[i].answered) != 0:
                close(self.places[i].asked[0])
                close(self.places[i].asked[1])
                raise OperationFailed("pipe", errno, 0)
            self.count += 1
        self.peers = Peers("thread", cpus)
        self.peers.start(serve, self.places, self.count)

    def __dealloc__(self):
        self.close_pipes()
        free(self.places)

    cdef void close_pipes(self) noexcept:
        cdef int i
        for i in range(self.count):
            close(self.places[i].asked[0])
            close(self.places[i].asked[1])
            close(self.places[i].answered[0])
            close(self.places[i].answered[1])
        self.count = 0

    cdef int64_t sense(self, micro_sense_t *worst) noexcept nogil:
        """Run all, one by one, and keep in ``worst`` that of the busiest core: 0, or -errno."""
        cdef int64_t status = 0
        cdef int i
        for i in range(self.count):
            status = micro_owner_moves_byte(&self.peers.group, self.places[i].asked[1], True)
            if status == 0:
                status = micro_owner_moves_byte(
                    &self.peers.group, self.places[i].answered[0], False)
            if status:
                return status
            if ratio(&self.places[i].sense) > ratio(worst):
                worst[0] = self.places[i].sense
        return 0

    def follow(self, cpus):
        """Run on these CPUs from now on."""
        self.peers.follow(cpus)

    def close(self):
        """End the threads; may be called twice."""
        if self.peers is not None:
            self.peers.close()
        self.close_pipes()
