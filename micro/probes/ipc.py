"""Messages between the timed loop and a peer."""

from collections.abc import Callable, Mapping

from micro.probes.declaration import HAS_PEERS, Axis, Choice, Probe, powers_of_two
from runners.model.benchmark import Scalar
from runners.model.count import SWITCHES
from runners.model.job import Promise

_PEERS = Choice(("process", "thread"), usual=("process",), quick=("process",))
_SIZES = (256, 65536)
_MESSAGES = Axis(
    "size", (1, 4096), quick=(1, 4096), rigorous=(1, 64, 1024, 4096, 65536), kind="bytes"
)
_THROUGH = ("pipe", "fifo", "unix", "tcp")
#: Beside powers of two, LEBench's 96,000 bytes and lmbench's 1,437 (bw_tcp).
_ALL_SIZES = tuple(sorted({*powers_of_two(1, 1 << 20), 96_000, 1437}))
_LMBENCH = "lmbench 3 (McVoy and Staelin 1996)"
_SLEEPS = (
    "; the peer is a process or a thread, on the same CPU or on another, and sleeps while it has "
    "nothing to do."
)
_FUTEX = Promise(tolerated=frozenset({"futex"}))
_WRITE = Promise({"write": 1})
_READ_WRITE = Promise({"write": 1, "read": 1})


def _signals(params: Mapping[str, Scalar], level: int | None) -> Promise:
    """A C library blocks signals while it sends one to a thread."""
    if params["peer"] == "process":
        return Promise({"kill": 1, "rt_sigtimedwait": 1})
    around = frozenset({"rt_sigprocmask", "getpid", "gettid"})
    return Promise({"tgkill": 1, "rt_sigtimedwait": 1}, around)


def _message(params: Mapping[str, Scalar], level: int | None) -> Promise:
    """A large message may arrive in pieces."""
    return _READ_WRITE if (level or 1) <= 4096 else Promise({"write": 1}, frozenset({"read"}))


def _round_trip(
    name: str,
    workload: str,
    over: str,
    how: str,
    source: str,
    promise: Promise | Callable[[Mapping[str, Scalar], int | None], Promise] = _READ_WRITE,
    *,
    main: bool = False,
) -> Probe:
    """The probe of one mechanism; of the ``main`` ones more combinations are measured unasked."""
    usual_cpus = ("same", "other") if name in ("pipe", "futex") else ("same",)
    return Probe(
        name=f"ipc.{name}",
        workload=f"cyext.ipc.round_trips:{workload}",
        title=f"round trip {over}",
        method=f"One operation is {how}{_SLEEPS}",
        source=source,
        params={
            "peer": _PEERS,
            "cpu": Choice(("same", "other"), usual_cpus, usual_cpus),
        },
        no_team=HAS_PEERS,
        promise=promise,
        waits=True,
        counts=SWITCHES,
        least_effort="quick" if main else "usual",
    )


def bandwidth(
    name: str,
    transport: str,
    through: str,
    how: str = "write() of size bytes",
    source: str = _LMBENCH,
    promise: Promise = _WRITE,
) -> Probe:
    """The probe of a stream of messages to a peer that receives them and does not answer."""
    return Probe(
        name=name,
        workload="cyext.ipc.streams:Stream",
        title=f"messages {through}",
        method=f"One operation is {how}; a batch ends when the peer has received all bytes of the "
        "batch; the peer runs on the same CPU or on another and receives at most one message's "
        "length at a time.",
        source=source,
        params={
            "transport": transport,
            "peer": _PEERS,
            "cpu": Choice(("same", "other"), ("same",), ("same",)),
        },
        axis=Axis("size", _SIZES, quick=(256, 65536), rigorous=_ALL_SIZES, kind="bytes"),
        bytes_per_op="level",
        no_team=HAS_PEERS,
        promise=promise,
        waits=True,
        counts=SWITCHES,
        long_batch=True,
        least_effort="usual",
    )


def _one_way(name: str, does: str, call: str, how: str) -> Probe:
    """The probe of sending or receiving alone."""
    return Probe(
        name=f"ipc.{name}",
        workload=f"cyext.ipc.queues:{name.title()}",
        title=f"{does} a message that nobody waits for",
        method=f"One operation is {name}() of a message of size bytes over a Unix stream socket, "
        f"which {how}; all messages of a batch are in the queue at once, and no task sleeps or is "
        "woken.",
        source="LEBench send and recv (Ren et al. 2019)",
        # Beside powers of two, LEBench's 96,000 bytes.
        axis=Axis(
            "size",
            (1, 4096),
            quick=(1,),
            rigorous=(1, 64, 1024, 4096, 65536, 96_000),
            kind="bytes",
        ),
        bytes_per_op="level",
        least_effort="rigorous",
        promise=Promise({call: 1}),
    )


PROBES = (
    _round_trip(
        "pipe",
        "Pipe",
        "of a byte over two pipes",
        "a write() of one byte to a peer, which reads it and writes a byte back over a second "
        "pipe, and the read() of that byte",
        f"{_LMBENCH}; LEBench context switch (Ren et al. 2019)",
        main=True,
    ),
    _round_trip(
        "fifo",
        "Fifo",
        "of a byte over two fifos",
        "the same as ipc.pipe over two named pipes whose names have been removed",
        _LMBENCH,
    ),
    _round_trip(
        "eventfd",
        "Eventfd",
        "over two eventfds",
        "a write() that adds 1 to an eventfd, the peer's read() of it and write() to a second "
        "eventfd, and the read() of the second",
        "will-it-scale eventfd1, between two tasks",
    ),
    _round_trip(
        "unix_stream",
        "UnixStream",
        "of a byte over Unix stream sockets",
        "a write() of one byte to a socketpair(), the peer's read() and its write() of a byte "
        "back, and the read() of that byte",
        f"{_LMBENCH}; LEBench send and recv (Ren et al. 2019)",
        main=True,
    ),
    _round_trip(
        "unix_datagram",
        "UnixDatagram",
        "of a byte over Unix datagram sockets",
        "the same as ipc.unix_stream over datagram sockets",
        "Stevens, UNIX Network Programming",
    ),
    _round_trip(
        "descriptor",
        "Descriptor",
        "that passes a descriptor over a Unix socket",
        "a sendmsg() of a byte and one descriptor (SCM_RIGHTS), the peer's recvmsg(), its close() "
        "of the copy and its write() of a byte, and the read() of that byte",
        "Stevens, UNIX Network Programming; how servers hand over connections",
        Promise({"sendmsg": 1, "read": 1}),
    ),
    _round_trip(
        "futex",
        "Futex",
        "over two futexes",
        "to set a word in shared memory and wake, with futex(), the peer that sleeps on it, and to "
        "sleep on a second word until the peer has set it",
        "Franke, Russell and Kirkwood 2002",
        _FUTEX,
        main=True,
    ),
    _round_trip(
        "posix_semaphore",
        "PosixSemaphore",
        "over two POSIX semaphores",
        "sem_post() of a semaphore in shared memory that the peer waits for, and sem_wait() for a "
        "second one that the peer posts",
        "POSIX.1b semaphores",
        _FUTEX,
    ),
    _round_trip(
        "sysv_semaphore",
        "SysvSemaphore",
        "over two System V semaphores",
        "a semop() that raises a semaphore that the peer waits for, and a semop() that waits for a "
        "second semaphore that the peer raises",
        _LMBENCH,
        Promise({"semop": 2}),
    ),
    _round_trip(
        "message_queue",
        "PosixQueue",
        "of a byte over two POSIX message queues",
        "mq_send() of one byte to a queue that the peer receives from, and mq_receive() from a "
        "second one that the peer sends to",
        "POSIX.1b real-time message passing",
        Promise({"mq_timedsend": 1, "mq_timedreceive": 1}),
    ),
    _round_trip(
        "sysv_queue",
        "SysvQueue",
        "of a byte over a System V message queue",
        "msgsnd() of one byte for the peer, and msgrcv() of its answer from the same queue",
        "System V; Stevens, UNIX Network Programming",
        Promise({"msgsnd": 1, "msgrcv": 1}),
    ),
    _round_trip(
        "signal",
        "Signal",
        "of signals",
        "kill() to send a signal to the peer (pthread_kill() if the peer is a thread), which has "
        "the signal blocked, takes it with sigwaitinfo() and sends one back, and sigwaitinfo() for "
        "the signal that comes back",
        "POSIX.1b signals that are waited for",
        _signals,
    ),
    Probe(
        name="ipc.shared_word",
        workload="cyext.ipc.streams:SharedWord",
        title="round trip of polled words in shared memory",
        method="One operation is to write a word in shared memory that the peer polls on another "
        "CPU, and to poll a second word until the peer has copied the first word into it; "
        "neither side sleeps, and no system call is made.",
        source="libMicro cachetocache; how far two CPUs are apart",
        params={"peer": _PEERS, "cpu": "other"},
        no_team=HAS_PEERS,
        promise=Promise(),
        least_effort="usual",
    ),
    Probe(
        name="ipc.queued",
        workload="cyext.ipc.queues:Queued",
        title="write a message and read it back, in one task",
        method="One operation is a write() of size bytes to a pipe, a fifo, a Unix stream socket "
        "or a loopback TCP socket, and the read() of all of them from its other end by the same "
        "task; nobody sleeps or is woken.",
        source="libMicro pipe, with one process",
        params={"through": Choice(_THROUGH, _THROUGH, _THROUGH)},
        axis=_MESSAGES,
        bytes_per_op="level",
        least_effort="rigorous",
        promise=_READ_WRITE,
    ),
    Probe(
        name="ipc.queued_eventfd",
        workload="cyext.ipc.queues:QueuedEventfd",
        title="add to an eventfd and read it, in one task",
        method="One operation is a write() that adds 1 to an eventfd and the read() of it by the "
        "same task; nobody sleeps or is woken.",
        source="will-it-scale eventfd1",
        least_effort="rigorous",
        promise=_READ_WRITE,
    ),
    _one_way("send", "send", "sendto", "queues it; receiving it is not timed"),
    _one_way("recv", "receive", "recvfrom", "finds it in the queue; sending it is not timed"),
    Probe(
        name="ipc.message",
        workload="cyext.ipc.messages:Message",
        title="round trip of messages of a given size",
        method="One operation is a write() of size bytes to a peer over a pipe, a fifo or a Unix "
        "stream socket, the peer's read() of them and its write() of as many bytes back, and the "
        f"read() of these{_SLEEPS}",
        source="libMicro pipe, with two threads or processes",
        params={
            "through": Choice(("pipe", "fifo", "unix"), ("pipe", "unix"), ("pipe",)),
            "peer": _PEERS,
            "cpu": Choice(("same", "other"), ("same",), ("same",)),
        },
        axis=_MESSAGES,
        bytes_per_op="level",
        no_team=HAS_PEERS,
        promise=_message,
        waits=True,
        counts=SWITCHES,
        least_effort="rigorous",
    ),
    bandwidth("ipc.pipe_bandwidth", "pipe", "through a pipe"),
    bandwidth("ipc.unix_bandwidth", "unix", "through Unix sockets"),
    bandwidth(
        "ipc.memory_bandwidth",
        "memory",
        "through shared memory",
        "a copy of size bytes into a ring of 64 KiB that both sides have mapped, where a side with "
        "nothing to do sleeps on a futex",
        "the least that a message can cost: one copy in, one copy out",
        _FUTEX,
    ),
)
