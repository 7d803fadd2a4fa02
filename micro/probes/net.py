"""Servers on the loopback address."""

from collections.abc import Mapping

from micro.probes.declaration import HAS_PEERS, Axis, Choice, Headline, Probe, powers_of_two
from micro.probes.ipc import bandwidth
from runners.model.benchmark import Scalar
from runners.model.count import SWITCHES, Count
from runners.model.job import Promise

_PEER = Choice(("process", "thread"), usual=("process",), quick=("process",))
_CPU = Choice(("same", "other"), usual=("same",), quick=("same",))
_BOTH_CPUS = Choice(("same", "other"), usual=("same", "other"), quick=("same",))
_SLEEPS = "the peer, on the same CPU or on another, sleeps while it has nothing to do."
_CONNECTIONS = (
    "loopback TCP, where the {} end resets the connection (SO_LINGER of 0) so that no end "
    "of it stays in TIME_WAIT and holds a port, or over Unix stream sockets with a name in the "
    "temporary directory"
)
_COPY_BYTES = 64 << 10  # what read_write and splice move at once
_COPIED = Count("copies_per_byte", "copies of each byte sent", exact=True)
_COUNTED = (
    "; read() copies each byte, and sending counts as a copy if a later change of the file does "
    "not reach bytes that were sent but not yet received"
)
_LEITNER = "von Leitner, Scalable Network Programming (2003)"


def _connect_peer(params: Mapping[str, Scalar], level: int | None) -> Promise:
    resets = {"setsockopt": 1} if params["protocol"] == "tcp" else {}
    return Promise({"socket": 1, **resets, "connect": 1, "read": 1, "close": 1})


def _header_body(params: Mapping[str, Scalar], level: int | None) -> Promise:
    ways = {
        "two_writes": {"write": 2},
        "writev": {"writev": 1},
        "more": {"sendto": 1, "write": 1},
        "cork": {"setsockopt": 2, "write": 2},
    }
    return Promise({**ways[str(params["how"])], "read": 1})


def _send_file(params: Mapping[str, Scalar], level: int | None) -> Promise:
    pieces = -(-(level or 1) // _COPY_BYTES)
    ways = {
        "read_write": {"pread64": pieces, "write": pieces},
        "mmap_write": {"mmap": 1, "write": 1, "munmap": 1},
        "sendfile": {"sendfile": 1},
        "splice": {"splice": 2 * pieces},
        "uring_send": {"io_uring_enter": 1},
    }
    return Promise({**ways[str(params["how"])], "read": 1})


def _zero_copy(params: Mapping[str, Scalar], level: int | None) -> Promise:
    sends = -(-(level or 1) // (1 << 20))
    if params["how"] == "zerocopy":
        calls, tolerated = {"sendto": sends, "read": 1}, frozenset({"recvmsg", "poll"})
    else:
        calls, tolerated = {"read": 1}, frozenset({"io_uring_enter"})
    return Promise(calls, tolerated)


def _round_trip(protocol: str, over: str, longest: int) -> Probe:
    return Probe(
        name=f"net.{protocol}",
        workload="cyext.net.replies:RoundTrip",
        title=f"message over {over} on loopback, and the answer",
        method="One operation is a write() of size bytes to a peer, which reads them and writes "
        f"one byte back, and the read() of that byte, over {over}; {_SLEEPS}",
        source="lmbench (McVoy and Staelin 1996); Netperf RR in Bryant et al. (2000)",
        params={
            "protocol": protocol,
            "peer": _PEER,
            "cpu": _BOTH_CPUS if protocol == "tcp" else _CPU,
        },
        axis=Axis(
            "size",
            (1, longest),
            quick=(1,),
            rigorous=(*powers_of_two(1, 32768), longest),
            kind="bytes",
        ),
        bytes_per_op="level",
        no_team=HAS_PEERS,
        promise=Promise({"write": 1, "read": 1}),
        waits=True,
        counts=SWITCHES,
        headlines=(Headline("TCP answer", "Network", level=1),) if protocol == "tcp" else (),
    )


def _file_axis() -> Axis:
    return Axis(
        "size",
        (100, 65536),
        (100,),
        (100, 4096, 16384, 65536, 1 << 18, 1 << 20, 1 << 24),
        kind="bytes",
    )


PROBES = (
    _round_trip("tcp", "a TCP connection with TCP_NODELAY", 65536),
    _round_trip("udp", "UDP", 65507),
    bandwidth(
        "net.tcp_bandwidth",
        "tcp",
        "through a TCP connection on loopback",
        "write() of size bytes to a connection whose buffers the system does not tune (SO_SNDBUF "
        "and SO_RCVBUF of 128 KiB); TCP may gather small messages, but no longer at the end of a "
        "batch (TCP_NODELAY)",
        "lmbench, bw_tcp (McVoy and Staelin 1996)",
    ),
    Probe(
        name="net.connect",
        workload="cyext.net.connections:Connect",
        title="connect, accept and close in one task",
        method="One operation is socket(), connect() to a listener of the same thread, accept(), "
        "and close() of the accepted end and of the other, over "
        f"{_CONNECTIONS.format('accepted')}.",
        source="lmbench, lat_connect and lat_unix_connect (McVoy and Staelin 1996); libMicro, "
        "connection",
        params={"protocol": Choice(("tcp", "unix"), usual=("tcp", "unix"), quick=("tcp",))},
        promise=Promise({"socket": 1, "connect": 1, "accept": 1, "close": 2}),
        headlines=(Headline("connect+close", "Network", {"protocol": "tcp"}),),
        waits=True,  # closed sockets are freed later, by a kernel thread
        least_effort="usual",
    ),
    Probe(
        name="net.accept",
        workload="cyext.net.accepting:Accept",
        title="accept a connection that waits",
        method="One operation is accept() of a connection that waits at a listener of the same "
        f"thread, over {_CONNECTIONS.format('accepted')}; at most 32 wait, and making and closing "
        "them is not timed.",
        source="libMicro, connection -a",
        params={"protocol": Choice(("tcp", "unix"), usual=("tcp", "unix"), quick=("tcp",))},
        promise=Promise({"accept": 1}),
        waits=True,  # closed sockets are freed later, by a kernel thread
        least_effort="rigorous",
    ),
    Probe(
        name="net.connect_peer",
        workload="cyext.net.connections:ConnectPeer",
        title="connect to a task that accepts and closes",
        method="One operation is socket(), connect() to a listener on which a peer waits in "
        "accept(), a read() that returns once the peer has accepted and closed its end, and "
        f"close(), over {_CONNECTIONS.format('connecting')}; {_SLEEPS}",
        source="lmbench, lat_connect and lat_unix_connect (McVoy and Staelin 1996)",
        params={
            "protocol": Choice(("tcp", "unix"), usual=("tcp", "unix"), quick=("tcp",)),
            "peer": _PEER,
            "cpu": _CPU,
        },
        promise=_connect_peer,
        no_team=HAS_PEERS,
        waits=True,
        counts=SWITCHES,
        least_effort="usual",
    ),
    Probe(
        name="net.header_body",
        workload="cyext.net.replies:HeaderBody",
        title="reply with a header and a body over TCP",
        method="One operation sends a header of 200 bytes and a body of 1,000 bytes to a peer "
        "over loopback TCP and reads the byte with which the peer asks for the next reply once "
        "it has received all of this one; without TCP_NODELAY, the second of the two write() "
        "calls waits for the peer's delayed acknowledgement of the first, and the figure "
        f"includes that wait; {_SLEEPS}",
        source=f"{_LEITNER}: writev, TCP_CORK, TCP_NOPUSH; Nagle's algorithm, RFC 896",
        params={
            "how": Choice(
                ("two_writes", "writev", "more", "cork"),
                usual=("two_writes", "writev", "more", "cork"),
                quick=("two_writes",),
            ),
            "nodelay": Choice(("no", "yes"), usual=("yes",), quick=("yes",)),
            "peer": _PEER,
            "cpu": _CPU,
        },
        no_team=HAS_PEERS,
        promise=_header_body,
        waits=True,
        slices=5,
        counts=(Count("segments", "segments with data", exact=True),),
        least_effort="usual",
    ),
    Probe(
        name="net.send_file",
        workload="cyext.net.replies:SendFile",
        title="send a cached file over TCP",
        method="One operation sends a file of size bytes, all of whose pages are in memory, over "
        "loopback TCP to a peer, and reads the byte with which the peer says that it has "
        "received all; the file is sent by pread() and write() of 64 KiB at a time, by mmap(), "
        "write() and munmap(), by sendfile(), by splice() through a pipe, or by io_uring's send "
        f"from a mapping that stays{_COUNTED}; {_SLEEPS}",
        source=f"Linux Scalability Project (Michigan 1999): sendfile; {_LEITNER}",
        params={
            "how": Choice(
                ("read_write", "mmap_write", "sendfile", "splice", "uring_send"),
                usual=("read_write", "sendfile"),
                quick=("sendfile",),
            ),
            "peer": _PEER,
            "cpu": _CPU,
        },
        axis=_file_axis(),
        bytes_per_op="level",
        no_team=HAS_PEERS,
        promise=_send_file,
        waits=True,
        counts=(_COPIED,),
        least_effort="usual",
    ),
    Probe(
        name="net.send_zero_copy",
        workload="cyext.net.replies:SendFile",
        title="send a cached file over TCP with zero-copy sends",
        method="One operation sends size bytes of a mapped file, all of whose pages are in "
        "memory, over loopback TCP to a peer, with MSG_ZEROCOPY or io_uring's zero-copy send, 1 "
        "MiB at a time; it ends when the system no longer needs the bytes and the peer has said "
        f"that it has received all{_COUNTED}; {_SLEEPS}",
        source="Linux Scalability Project (Michigan 1999): zero copy; de Bruijn, sendmsg copy "
        "avoidance with MSG_ZEROCOPY (2017)",
        params={
            "how": Choice(("zerocopy", "uring_send_zc"), usual=("zerocopy",), quick=("zerocopy",)),
            "peer": _PEER,
            "cpu": _CPU,
        },
        axis=_file_axis(),
        bytes_per_op="level",
        no_team=HAS_PEERS,
        promise=_zero_copy,
        waits=True,
        counts=(Count("copied", "of the sends copied all the same", exact=True), _COPIED),
        least_effort="usual",
    ),
    Probe(
        name="net.accept_herd",
        workload="cyext.net.herd:AcceptHerd",
        title="one connection to a herd of waiting acceptors",
        method="One operation is connect() to a port on which waiters wait, all on the client's "
        "CPU; it ends when one of them has accepted and closed the connection and all waiters "
        "that woke sleep again, because the client runs in the idle scheduling class; waiters "
        "block in accept(), or wait in poll() or epoll_wait() and then call accept(); each has "
        "its own epoll set, and with reuseport its own listener.",
        source="Linux Scalability Project (Michigan 1999): the thundering herd of 2.2.9",
        params={
            "wait": Choice(
                ("accept", "poll", "epoll", "epoll_exclusive", "reuseport"),
                usual=("accept", "poll", "epoll", "epoll_exclusive", "reuseport"),
                quick=("accept", "epoll"),
            ),
            "peer": Choice(("thread", "process"), usual=("thread",), quick=("thread",)),
        },
        axis=Axis("waiters", (1, 64, 256), quick=(1, 64), rigorous=powers_of_two(1, 32768)),
        no_team=HAS_PEERS,
        promise=Promise(
            {"connect": 1}, frozenset({"sched_yield", "mmap", "mprotect", "munmap", "madvise"})
        ),
        waits=True,
        counts=(Count("wakeups", "waiters woken", exact=True),),
        least_effort="usual",
    ),
)
