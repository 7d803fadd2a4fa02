"""Descriptors: opening and closing, few and many, and the table that holds them."""

from collections.abc import Mapping

from micro.probes.declaration import (
    TIMES_ITSELF,
    Axis,
    Choice,
    Headline,
    Probe,
    powers_of_two,
)
from runners.machine.environment import usable_cpus
from runners.model.benchmark import Scalar
from runners.model.count import Count
from runners.model.job import Promise

_CPUS = len(usable_cpus())
_THREADS = tuple(sorted({1, 2, _CPUS, 4 * _CPUS}))
_MORE_THREADS = tuple(sorted({1, 2, *(_CPUS * k for k in (1, 2, 3, 4))}))
_LSP = "Linux Scalability Project (Michigan 1999)"
_VON_LEITNER = "von Leitner, Scalable Network Programming (2003)"
# What a C library and the kernel do when a child starts a thread.
_THREAD_START = frozenset(
    ("mmap", "mprotect", "rt_sigaction", "rt_sigprocmask", "set_robust_list", "rseq", "pause")
)


def _growth(params: Mapping[str, Scalar], level: int | None) -> Promise:
    shared = params["sharing"] == "shared"
    calls = {"clone": 2 if shared else 1, "fcntl": 2, "wait4": 1, "prctl": 1, "exit_group": 1}
    return Promise(calls=calls, tolerated=_THREAD_START)


_OPEN_FDS = Axis(
    "open_fds",
    (2, 8, 32, 512, 8192, 1 << 17),
    quick=(2, 32, 512, 8192),
    rigorous=powers_of_two(2, 1 << 17),
)

PROBES = (
    Probe(
        name="fd.open_close",
        workload="cyext.fd.descriptors:OpenClose",
        title="open and close a file",
        method="One operation is openat() of an empty regular file in the temporary directory, "
        "by a name without directories, and close().",
        source="lmbench, lat_syscall open (McVoy and Staelin 1996)",
        promise=Promise(calls={"openat": 1, "close": 1}),
        headlines=(Headline("open+close", "Files"),),
    ),
    Probe(
        name="fd.open_interleaved",
        workload="cyext.fd.descriptors:OpenInterleaved",
        title="open and close among many",
        method="One operation, with open_fds files open, is close() of the first and of the last "
        "and openat() of two, which take their descriptors.",
        source=f"{_LSP}: interleaving defeats a hint that only remembers the descriptor closed "
        "last",
        axis=_OPEN_FDS,
        promise=Promise(calls={"openat": 2, "close": 2}),
        headlines=(Headline("open, many open"),),
    ),
    Probe(
        name="fd.dup_lowest",
        workload="cyext.fd.descriptors:DupLowest",
        title="duplicate into the lowest slot among many",
        method="One operation, with open_fds descriptors open, is close() of the lowest of them "
        "and dup(), which takes the lowest free one.",
        source=f"POSIX promises the lowest free descriptor; its search is {_LSP}",
        axis=_OPEN_FDS,
        promise=Promise(calls={"dup": 1, "close": 1}),
        headlines=(Headline("dup, many open"),),
    ),
    Probe(
        name="fd.socket_create",
        workload="cyext.fd.descriptors:SocketCreate",
        title="make and close a socket",
        method="One operation is socket() of a TCP or UDP socket over IPv4, or of a Unix stream "
        "socket, and close().",
        least_effort="usual",
        source=f"{_LSP}: sockets cost more than files to create and hold much memory each",
        params={
            "family": Choice(("tcp", "udp", "unix"), usual=("tcp", "udp", "unix"), quick=("tcp",))
        },
        counts=(Count("kernel_bytes_per_socket", "B of kernel memory per socket", weighed=True),),
        promise=Promise(calls={"socket": 1, "close": 1}),
        waits=True,  # closed sockets are freed later, by a kernel thread
    ),
    Probe(
        name="fd.socketpair",
        workload="cyext.fd.descriptors:SocketPair",
        title="make and close a pair of sockets",
        method="One operation is socketpair() of two connected Unix stream sockets, and close() of "
        "both.",
        source="libMicro (Smith and Haslam), socketpair",
        least_effort="usual",
        promise=Promise(calls={"socketpair": 1, "close": 2}),
        waits=True,  # closed sockets are freed later, by a kernel thread
    ),
    Probe(
        name="fd.socket_churn",
        workload="cyext.fd.descriptors:SocketChurn",
        title="make sockets among many",
        method="One operation, with open_sockets TCP sockets open, is close() of the tenth, "
        "socket() into its slot and socket() of one more; closing that one is not timed.",
        least_effort="usual",
        source=f"{_VON_LEITNER}: the slot that is reopened defeats a hint",
        axis=Axis(
            "open_sockets",
            (16, 64, 1024, 4096, 16384, 1 << 17),
            quick=(16, 4096),
            rigorous=powers_of_two(16, 1 << 17),
        ),
        promise=Promise(calls={"socket": 2, "close": 1}),
        waits=True,
        headlines=(Headline("socket, many open"),),
    ),
    Probe(
        name="fd.table_shared",
        workload="cyext.fd.descriptors:OpenClose",
        title="open and close in many threads",
        method="One operation is openat() of an empty regular file, one a thread, and close(); "
        "all threads share the table of descriptors and start at one barrier, thread i on CPU i "
        "modulo the CPUs, and the last to end counts.",
        least_effort="usual",
        source="will-it-scale, open1 in threads",
        axis=Axis(
            "threads",
            _THREADS,
            quick=tuple(t for t in _THREADS if t in (1, _CPUS)),
            rigorous=_MORE_THREADS,
            kind="members",
        ),
        workers="threads",
        promise=Promise(calls={"openat": 1, "close": 1}, tolerated=frozenset({"sched_yield"})),
    ),
    Probe(
        name="fd.table_growth",
        workload="cyext.fd.descriptors:TableGrowth",
        title="outgrow the table of descriptors",
        method="One operation is fcntl(F_DUPFD) of the first descriptor that a table of "
        "table_slots does not hold, in a process alone or with a second thread that shares the "
        "table; making the process and its table is not timed.",
        least_effort="usual",
        source="since Linux 5.x the growth of a shared table waits for RCU",
        # A shared table takes a quarter of a second a level.
        params={"sharing": Choice(("alone", "shared"), usual=("alone",), quick=("alone",))},
        # Each operation is timed alone: of one in a smaller table, the clock is more than 1 %.
        axis=Axis(
            "table_slots",
            (4096, 16384),
            quick=(4096,),
            rigorous=powers_of_two(4096, 1 << 19),
        ),
        no_team=TIMES_ITSELF,
        promise=_growth,
        waits=True,
    ),
)
