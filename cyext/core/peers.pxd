"""Threads, processes and programs beside the timed loop; peers.h explains them."""

from libc.stdint cimport int64_t


cdef extern from "<pthread.h>" nogil:
    ctypedef struct pthread_attr_t:
        pass

cdef extern from "<stdatomic.h>" nogil:
    ctypedef struct atomic_int_fast64_t:
        pass

cdef extern from "core/peers.h" nogil:
    enum:
        MICRO_THREADS
        MICRO_PROCESSES
    ctypedef struct micro_mailbox_t:
        const char *call
        int64_t error
    ctypedef struct micro_peer_t:
        int64_t index
        micro_mailbox_t *mail
    ctypedef union micro_peer_id_t:
        int process
    ctypedef int64_t (*micro_body_t)(micro_peer_t *self, void *argument) noexcept nogil
    ctypedef struct micro_peers_t:
        int kind
        const char *call
        int64_t count
        micro_peer_id_t *ids
        const pthread_attr_t *attributes
        micro_body_t body
        void *argument
        const int *cpus
        int cpu_count
        int anywhere
    bint micro_peer_leaves(const micro_peer_t *self)
    int64_t micro_peer_moves_byte(micro_peer_t *self, int fd, int writes)
    int micro_owner_moves_byte(micro_peers_t *group, int fd, int writes)
    void micro_peers_init(micro_peers_t *group, int kind)
    int micro_peers_open(micro_peers_t *group)
    int micro_peers_reserve(micro_peers_t *group, int64_t capacity)
    int micro_peers_add(micro_peers_t *group)
    int micro_peers_keep(micro_peers_t *group, int64_t count)
    int64_t micro_peers_cpu_ns(const micro_peers_t *group)
    int64_t micro_peers_failed(micro_peers_t *group)
    int64_t micro_peers_failed_soon(micro_peers_t *group)
    void micro_peers_follow(micro_peers_t *group)
    int micro_peers_close(micro_peers_t *group)


cdef class Peers:
    """Peers of one workload that all do the same, as threads or as forked processes."""

    cdef micro_peers_t group
    cdef int *cpus

    cdef start(self, micro_body_t body, void *argument, int64_t count)
    cdef int64_t failed(self) noexcept nogil
    cdef await_count(self, atomic_int_fast64_t *word, int64_t count)


cdef class Program:
    """A small program that obeys requests on a pipe and answers on another."""

    cdef readonly int pid
    cdef int requests
    cdef int answers
    cdef bint reads

    cdef int write_whole(self, const void *data, size_t size) noexcept nogil
    cdef int read_whole(self, void *data, size_t size) noexcept nogil
