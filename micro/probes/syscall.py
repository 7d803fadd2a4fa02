"""System calls: what it costs to enter the system, do little there, and come back."""

from collections.abc import Mapping
from functools import partial

from micro.probes.declaration import TIMES_ITSELF, Axis, Choice, Effort, Headline, Probe
from runners.model.benchmark import Scalar
from runners.model.job import Promise

_LMBENCH = "lmbench, lat_syscall (McVoy and Staelin 1996)"
_LIBMICRO = "libMicro (Smith and Haslam)"
_WILL_IT_SCALE = "will-it-scale (Blanchard)"
_OF_SOCKET = ("getsockname", "getpeername", "getsockopt", "setsockopt", "listen")
_SIZE = Axis(
    "size",
    (1, 4096, 65536),
    quick=(1, 4096),
    # Beside powers of two, LEBench's 10, 1,000 and 10,000 pages.
    rigorous=(1, 64, 256, 1024, 4096, 16384, 40_960, 65536, 4_096_000, 40_960_000),
    kind="bytes",
)


def _clock(params: Mapping[str, Scalar], _level: int | None) -> Promise:
    if params["by"] == "call":
        return Promise({"clock_gettime": 1})
    return Promise(tolerated=frozenset({"clock_gettime"}))


def _of_contents(name: str, does: str, source: str) -> Probe:
    """The probe of a call that moves bytes from or to a file in memory."""
    return Probe(
        name=f"syscall.{name}",
        workload=f"cyext.syscall.of_files:{name.title()}",
        title=f"{name}() of a file in memory",
        method=f"One operation is {name}() of size bytes {does} the start of a file in memory "
        "whose pages all exist (a memfd, or, where the system has none, a cached file in the "
        "temporary directory).",
        source=source,
        axis=_SIZE,
        bytes_per_op="level",
        promise=Promise({f"{name}64": 1}),
    )


def _call(
    name: str,
    title: str,
    method: str,
    source: str,
    by: str = "",
    effort: Effort = "usual",
    module: str = "calls",
) -> Probe:
    """The probe of one call by the workload of its name; ``by`` is Linux's name, if it differs."""
    return Probe(
        name=f"syscall.{name}",
        workload=f"cyext.syscall.{module}:" + "".join(map(str.title, name.split("_"))),
        title=title,
        method=method,
        source=source,
        least_effort=effort,
        promise=Promise({by or name: 1}),
    )


# The probe of a call on a file, by its name or its descriptor.
_file_call = partial(_call, module="of_files")

PROBES = (
    Probe(
        name="syscall.getppid",
        workload="cyext.syscall.calls:Getppid",
        title="null system call",
        method="One operation is getppid() by syscall(), so that no library can answer it from "
        "memory.",
        source=f"{_LMBENCH}; will-it-scale getppid1; LEBench getpid (Ren et al. 2019)",
        promise=Promise({"getppid": 1}),
        headlines=(Headline("system call", "System calls"),),
    ),
    Probe(
        name="syscall.clock_gettime",
        workload="cyext.syscall.calls:ClockGettime",
        title="read the clock",
        method="One operation reads CLOCK_MONOTONIC, either by the C library's clock_gettime(), "
        "which makes a system call only if it cannot read the clock itself, or by syscall().",
        source=f"{_LIBMICRO}, gettimeofday and time: the vDSO against the real call",
        params={
            "by": Choice(("library", "call"), usual=("library", "call"), quick=("library",)),
        },
        promise=_clock,
    ),
    Probe(
        name="syscall.read",
        workload="cyext.syscall.calls:Read",
        title="read one byte of /dev/zero",
        method="One operation is read() of one byte of /dev/zero.",
        source=_LMBENCH,
        promise=Promise({"read": 1}),
        headlines=(Headline("read 1 B", "System calls"),),
    ),
    _call(
        "write",
        "write one byte to /dev/null",
        "One operation is write() of one byte to /dev/null.",
        _LMBENCH,
    ),
    _of_contents("pread", "from", f"{_LIBMICRO} and {_WILL_IT_SCALE}, pread; LEBench read"),
    _of_contents("pwrite", "to", f"{_LIBMICRO} and {_WILL_IT_SCALE}, pwrite; LEBench write"),
    _file_call(
        "stat",
        "stat a file by name",
        "One operation is fstatat() of an empty regular file in the temporary directory, "
        "by a name without directories.",
        _LMBENCH,
        by="newfstatat",
    ),
    _file_call(
        "fstat",
        "stat an open file",
        "One operation is fstat() of an open empty regular file, by the system call fstat "
        "and not by the one that stat() uses.",
        _LMBENCH,
    ),
    _file_call(
        "open_missing",
        "open a file that does not exist",
        "One operation is an openat() that fails with ENOENT: its name contains no "
        "directory, does not exist in the temporary directory, and has been looked up before.",
        "programs that search paths; the system remembers a missing name",
        by="openat",
    ),
    _file_call(
        "lseek",
        "move a file's offset",
        "One operation is lseek() of an open regular file, alternately to offset 0 and 1.",
        f"{_LIBMICRO}, lseek; {_WILL_IT_SCALE}, lseek1",
    ),
    _call(
        "getrusage",
        "ask for resource usage",
        "One operation is getrusage() of a process with one thread.",
        f"{_LIBMICRO}, getrusage",
    ),
    _call(
        "sched_yield",
        "yield with no other thread waiting",
        "One operation is sched_yield() while no other thread wants the CPU.",
        f"{_WILL_IT_SCALE}, sched_yield",
    ),
    _call(
        "chdir",
        "change the current directory",
        'One operation is chdir() to ".", so that the current directory stays the same.',
        f"{_LIBMICRO}, chdir",
    ),
    _file_call(
        "fcntl",
        "ask for an open file's flags",
        "One operation is fcntl(F_GETFL) of an open regular file.",
        f"{_LIBMICRO}, fcntl",
    ),
    _file_call(
        "msync",
        "write back a mapped file in memory",
        "One operation is msync(MS_SYNC) of a shared mapping of 1 MiB of a file in memory, "
        "which has no disk to be written to (a memfd, or, where the system has none, a file in the "
        "temporary directory).",
        f"{_LIBMICRO}, msync",
    ),
    Probe(
        name="syscall.brk",
        workload="cyext.syscall.calls:Brk",
        title="grow and shrink the heap",
        method="One operation is brk() by syscall() to one page beyond the end of the heap, and "
        "brk() back to its end; the page is not touched.",
        source=f"{_WILL_IT_SCALE}, brk1",
        least_effort="usual",
        no_team={"threads": "threads have one heap"},
        promise=Promise({"brk": 2}),
    ),
    _call(
        "times",
        "ask for CPU time",
        "One operation is times() by syscall(), of a process without children.",
        f"{_LIBMICRO}, times",
        effort="rigorous",
    ),
    _file_call(
        "isatty",
        "ask whether a file is a terminal",
        "One operation is isatty() of an open regular file, which is no terminal.",
        f"{_LIBMICRO}, isatty",
        by="ioctl",
        effort="rigorous",
    ),
    Probe(
        name="syscall.of_socket",
        workload="cyext.syscall.of_sockets:OfSocket",
        title="query or set a TCP socket",
        method="One operation is one call on a connected TCP socket on loopback; listen() is "
        "called on a listening socket; getsockopt() asks for TCP_NODELAY, and setsockopt() sets "
        "it, alternately to 0 and 1.",
        source=f"{_LIBMICRO}, getsockname, getpeername, setsockopt, listen",
        params={"call": Choice(_OF_SOCKET, usual=_OF_SOCKET, quick=_OF_SOCKET[:1])},
        least_effort="rigorous",
        promise=lambda params, _: Promise({str(params["call"]): 1}),
    ),
    _file_call(
        "access",
        "ask whether a file may be read",
        "One operation is faccessat(R_OK) of an empty regular file in the temporary directory, by "
        "a name without directories; it is the system call faccessat and not faccessat2.",
        f"{_WILL_IT_SCALE}, access1",
        by="faccessat",
        effort="rigorous",
    ),
    _call(
        "getcwd",
        "ask for the current directory",
        'One operation is getcwd(), where the current directory is "/".',
        f"{_LIBMICRO}, chdir -g",
        effort="rigorous",
    ),
    _call(
        "close_bad",
        "close a descriptor that is not open",
        "One operation is close() of descriptor -1, which fails with EBADF.",
        f"{_LIBMICRO}, close_bad",
        by="close",
        effort="rigorous",
    ),
    _call(
        "fcntl_set",
        "set a socket's flags",
        "One operation is fcntl(F_SETFL) of a Unix stream socket, alternately without and with "
        "O_NONBLOCK.",
        f"{_LIBMICRO}, fcntl_ndelay",
        by="fcntl",
        effort="rigorous",
        module="of_sockets",
    ),
    Probe(
        name="syscall.cpu_clock",
        workload="cyext.syscall.calls:CpuClock",
        title="read a clock of CPU time",
        method="One operation reads CLOCK_PROCESS_CPUTIME_ID or CLOCK_THREAD_CPUTIME_ID by "
        "syscall(clock_gettime).",
        source=f"{_LIBMICRO}, clock_gettime",
        params={
            "clock": Choice(("process", "thread"), usual=("process", "thread"), quick=("process",))
        },
        least_effort="rigorous",
        promise=Promise({"clock_gettime": 1}),
    ),
    Probe(
        name="syscall.uring_nops",
        workload="cyext.syscall.uring:UringNops",
        title="no-ops by io_uring",
        method="One operation is one io_uring_enter() that executes nops no-op requests, "
        "including the time to queue them and to take their results.",
        source="for contrast: many requests by one system call (Axboe 2019)",
        params={"nops": Choice((1, 32), usual=(1, 32), quick=(1,))},
        least_effort="usual",
        promise=Promise({"io_uring_enter": 1}),
    ),
    Probe(
        name="syscall.seccomp",
        workload="cyext.syscall.filtered:Seccomp",
        title="null system call under a filter",
        method="One operation is getppid() in a thread with a seccomp filter, where rules is the "
        "number of its rules; each rule compares the call's number or its first argument, and "
        "the filter allows the call; since Linux 5.11 the kernel answers filters that look only "
        "at the number from a bitmap.",
        source="containers and sandboxes run under such filters",
        params={
            "looks_at": Choice(
                ("number", "argument"), usual=("number", "argument"), quick=("argument",)
            )
        },
        axis=Axis(
            "rules",
            (1, 128),
            quick=(1, 128),
            rigorous=(1, 4, 16, 32, 64, 128, 256, 512, 1024, 2047),
        ),
        least_effort="usual",
        no_team=TIMES_ITSELF,
        promise=Promise({"getppid": 1}),
        waits=True,
    ),
)
