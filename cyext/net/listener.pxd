"""A listener, for TCP or Unix stream sockets; listener.pyx explains it."""

cdef extern from "net/connections.h" nogil:
    ctypedef struct micro_door_t:
        int family
        int listener
        int connecting_resets
        const char *call


cdef class Listener:
    cdef micro_door_t door
    cdef bytes path   # of a socket in the scratch directory, or None
