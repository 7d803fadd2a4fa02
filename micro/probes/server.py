"""Servers of many connections, each in a process of its own, and their clients, on loopback TCP."""

from collections.abc import Mapping

from micro.probes.declaration import (
    HAS_PEERS,
    Axis,
    Choice,
    Headline,
    Probe,
    powers_of_four,
    powers_of_two,
)
from runners.model.benchmark import Scalar
from runners.model.count import SWITCHES, Count
from runners.model.job import Promise

_LOOPS = ("select", "poll", "epoll", "kqueue", "io_uring")
_MODELS = ("fork", "fork_exec", "prefork", "thread", "thread_pool", *_LOOPS)
_IMAGE = Choice(("static", "dynamic"), usual=("static",), quick=("static",))
_CPU = Choice(("same", "other"), usual=("same",), quick=("same",))
_SERVER = (
    "the server is a tiny program, linked statically or dynamically, on the client's CPU or on "
    "another"
)
_LEVELS = (*powers_of_four(1, 4096), 10000, 16384)
_BYTES = (
    Count("kernel_bytes_per_connection", "B of kernel memory per connection held", weighed=True),
    Count("user_bytes_per_connection", "B of the server's own memory", weighed=True),
)


def _first_reply(params: Mapping[str, Scalar], level: int | None) -> Promise:
    calls = {"connect": 1}
    return Promise(calls if params["until"] == "connect" else {**calls, "write": 1, "read": 1})


PROBES = (
    Probe(
        name="server.first_reply",
        workload="cyext.server.connections:FirstReply",
        title="connect to a server and get the first reply",
        method="One operation, with held connections open and idle, is connect(), write() of a "
        "request of 4 bytes and read() of the reply of 4 bytes; making the socket and closing the "
        "connection is not timed; each connection, held or new, has a process of its own (fork, "
        "fork_exec), a thread of its own, or one of a pool of processes or threads that exist "
        f"before it, or shares one loop of select(), poll(), epoll, kqueue or io_uring; {_SERVER}; "
        "with until=connect an operation ends when connect() returns.",
        source="von Leitner, Scalable Network Programming (2003); Banga, Druschel and Mogul 1998",
        params={
            "model": Choice(_MODELS, usual=("fork", "thread", "poll", "epoll"), quick=("epoll",)),
            "image": _IMAGE,
            "cpu": _CPU,
            "until": Choice(("reply", "connect"), usual=("reply",), quick=("reply",)),
        },
        axis=Axis("held", (1, 1024), quick=(1,), rigorous=_LEVELS),
        promise=_first_reply,
        waits=True,
        no_team=HAS_PEERS,
        counts=_BYTES,
        least_effort="usual",
        headlines=tuple(
            Headline(f"reply, {model}", "Servers", {"model": model}, 1024)
            for model in ("fork", "epoll")
        ),
    ),
    Probe(
        name="server.active",
        workload="cyext.server.connections:ActiveConnections",
        title="requests of a few clients among idle connections",
        method="One operation, with idle connections open, is write() of a request of 4 bytes on "
        "one of the active connections and read() of its reply of 4 bytes; all active clients, "
        "evenly spread over the connections, send their requests before the first reply is read; "
        f"one loop serves all connections; {_SERVER}.",
        source="Gammo, Brecht, Shukla and Pariag 2004",
        params={
            "model": Choice(_LOOPS, usual=("poll", "epoll"), quick=("epoll",)),
            "active": Choice((1, 32), usual=(32,), quick=(32,)),
            "image": _IMAGE,
            "cpu": _CPU,
        },
        axis=Axis("idle", (1, 1024), quick=(1,), rigorous=_LEVELS),
        promise=Promise({"write": 1, "read": 1}),
        waits=True,
        no_team=HAS_PEERS,
        long_batch=True,
        least_effort="usual",
    ),
    Probe(
        name="server.request_response",
        workload="cyext.server.exchanges:RequestResponse",
        title="requests and responses over many connections at once",
        method="One operation is a request of 4 bytes and its response of 4 bytes over one of the "
        "open TCP connections, which are spread evenly over the client tasks and over the server "
        "tasks, one for each CPU of this run; a client has one request under way on each of its "
        "connections, and a server task is one loop of epoll (kqueue on the BSDs and macOS); all "
        "tasks run on one CPU (cpu=same) or on all CPUs, as the system chooses (cpu=free), and the "
        "ratio of the two is the scalability; a batch has at least 64 operations for each "
        "connection and ends with the last response.",
        source="Bryant, Hartner, He and Venkitachalam 2000: Netperf request and response",
        params={
            "clients": Choice((1, 4, 16), usual=(4,), quick=(4,)),
            "peer": Choice(("process", "thread"), usual=("process",), quick=("process",)),
            "cpu": Choice(("same", "free"), usual=("same", "free"), quick=("free",)),
        },
        axis=Axis("connections", (64,), quick=(64,), rigorous=powers_of_four(1, 4096)),
        no_team=HAS_PEERS,
        promise=Promise(tolerated=frozenset({"poll", "read", "write"})),
        waits=True,
        clock_bound_up_to=0,
        slices=5,
        least_batch=64,
        least_effort="usual",
    ),
    Probe(
        name="server.chat",
        workload="cyext.server.chat:Chat",
        title="chat rooms",
        method="One operation is a message of 100 bytes that one user in a room of 20 says and one "
        "of the 19 others hears: it goes to the server over the speaker's TCP connection, and from "
        "there to the hearer over the hearer's; a user says its next message once it has heard the "
        "last one of every other user; with model=threads each user has two threads in the server "
        "and two in the client, one to receive and one to send; with model=event one loop of epoll "
        "(kqueue on the BSDs and macOS) is the server and another is all users; all threads belong "
        "to one process and run on the CPUs of this run, as the system chooses; a batch has at "
        "least two messages from each user to all others.",
        source="Bryant, Hartner, He and Venkitachalam 2000: VolanoMark",
        params={
            "model": Choice(("threads", "event"), usual=("threads", "event"), quick=("threads",)),
        },
        axis=Axis("rooms", (1, 2), quick=(1,), rigorous=powers_of_two(1, 16)),
        no_team=HAS_PEERS,
        promise=Promise(tolerated=frozenset({"read", "write"})),
        waits=True,
        clock_bound_up_to=0,
        slices=5,
        counts=SWITCHES[:1],
        least_batch=760,
        least_effort="usual",
    ),
)
