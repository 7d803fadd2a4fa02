"""The processor that our code runs on, and the compiler that made it."""


cdef extern from "os/processor.h" nogil:
    enum: MICRO_CPU_NAME_BYTES
    void micro_cpu_name(char *name)

cdef extern from *:
    """
    #ifndef MICRO_COMPILER
    #define MICRO_COMPILER "unknown"
    #define MICRO_FLAGS_USED "unknown"
    #endif
    """
    const char *MICRO_COMPILER
    const char *MICRO_FLAGS_USED

COMPILER = MICRO_COMPILER.decode()
COMPILER_FLAGS = MICRO_FLAGS_USED.decode()


def cpu_name():
    """What the processor calls itself; empty where a program cannot ask it."""
    cdef char name[MICRO_CPU_NAME_BYTES]
    micro_cpu_name(name)
    return name.decode("ascii", "replace").strip()
