"""A command under a system-call counter that can also make calls fail (Linux, ptrace)."""

import os
import signal

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

cdef extern from "core/tracer.h" nogil:
    enum:
        MICRO_CALLS_MAX
    ctypedef struct micro_trace_t:
        int64_t *in_loop
        int64_t *armed
        int64_t page_faults
        int fault_call
        int fault_errno
        int64_t fault_at
        int fault_done
        int fault_in_loop
        int wait_status
        int left_over
    int micro_trace(char **argv, char **envp, int output, unsigned seconds, micro_trace_t *trace)

cdef extern from "os/calls.h" nogil:
    const char *micro_call_name(int number)


def call_names():
    """Names of the system calls that the tracer knows here, by number."""
    return {
        number: micro_call_name(number).decode()
        for number in range(MICRO_CALLS_MAX)
        if micro_call_name(number) != NULL
    }


cdef dict _counts(int64_t *table):
    counts = {}
    for number in range(MICRO_CALLS_MAX):
        if table[number] > 0:
            name = micro_call_name(number)
            counts[name.decode() if name != NULL else f"call {number}"] = table[number]
    return counts


cdef class Strings:
    """A NULL-terminated array of C strings that lives as long as this."""

    cdef char **pointers
    cdef list kept

    def __cinit__(self, items):
        self.kept = [os.fsencode(item) for item in items]
        self.pointers = <char **>calloc(len(self.kept) + 1, sizeof(char *))
        if self.pointers == NULL:
            raise MemoryError
        for i, item in enumerate(self.kept):
            self.pointers[i] = item

    def __dealloc__(self):
        free(self.pointers)


def trace(argv, environment, output_fd, seconds, fault=None):
    """Run ``argv`` with ``environment``, its output on ``output_fd``; a dict of what it did.

    ``fault`` is (call name, errno, k): the k-th such call between the ARMED and DISARMED marks
    fails with that errno. The dict: ``in_loop`` and ``armed`` (calls by name between the marks of
    the loop and while armed), ``page_faults`` (minor ones between the marks of the loop, by the
    threads that set them), ``fault_done``, ``fault_in_loop``, ``signal`` or ``exit_code`` of the
    command, ``left_over`` (processes that outlived it and were killed). A command that takes longer
    than ``seconds`` dies of SIGALRM. Raises `OSError` where tracing is not possible.
    """
    cdef micro_trace_t *record = <micro_trace_t *>calloc(1, sizeof(micro_trace_t))
    if record == NULL:
        raise MemoryError
    arguments = Strings(argv)
    variables = Strings(f"{name}={value}" for name, value in environment.items())
    cdef int status
    cdef int output = output_fd
    cdef unsigned limit = seconds
    cdef char **argument_pointers = (<Strings>arguments).pointers
    cdef char **variable_pointers = (<Strings>variables).pointers
    try:
        record.fault_call = -1
        if fault is not None:
            name, error, at = fault
            numbers = {known: number for number, known in call_names().items()}
            # A call newer than the header is known by its number only: "call 462".
            record.fault_call = numbers[name] if name in numbers else int(name.split()[1])
            record.fault_errno = error
            record.fault_at = at
        with nogil:
            status = micro_trace(argument_pointers, variable_pointers, output, limit, record)
        if status:
            why = os.strerror(-status)
            raise OSError(-status, f"the system-call counter cannot work here: {why}")
        ended = record.wait_status
        return {
            "in_loop": _counts(record.in_loop),
            "armed": _counts(record.armed),
            "page_faults": record.page_faults,
            "fault_done": bool(record.fault_done),
            "fault_in_loop": bool(record.fault_in_loop),
            "signal": signal.Signals(os.WTERMSIG(ended)).name if os.WIFSIGNALED(ended) else None,
            "exit_code": os.WEXITSTATUS(ended) if os.WIFEXITED(ended) else None,
            "left_over": record.left_over,
        }
    finally:
        free(record)
