"""The experiments of 1998 to 2003 that micro's probes come from: what they found then."""

from micro.suites.suite import Operation, Suite


def _then(
    name: str,
    probe: str,
    then: str,
    level: int | None = None,
    count: str | None = None,
    **params: str,
) -> Operation:
    return Operation(name, probe, params, level, then, count=count)


SUITE = Suite(
    "the papers of 1998 to 2003",
    "µs",
    (
        # Banga, Druschel and Mogul 1998.
        _then("select, 16 sockets", "event.select", "grows with the number that is watched", 16),
        _then("select, 1,024 sockets", "event.select", "so much that it dominates a server", 1024),
        _then(
            "declared interest, 16 sockets",
            "event.epoll",
            "proposed: declare_interest(), dequeue_next_events()",
            16,
        ),
        _then("declared interest, 1,024 sockets", "event.epoll", "proposed: the same cost", 1024),
        _then(
            "64 events, one a call",
            "event.dequeue",
            "proposed: one or many at a time",
            64,
            events="one",
        ),
        _then("64 events, all in a call", "event.dequeue", "", 64, events="all"),
        # Linux Scalability Project 1999.
        _then("poll, 16 sockets", "event.poll", "examines all, however few are ready", 16),
        _then("poll, 1,024 sockets", "event.poll", "wait tables ended at about 1,000", 1024),
        _then(
            "open and close, 8 open between",
            "fd.open_interleaved",
            "one bitmap was searched from its start: linear",
            8,
        ),
        _then(
            "open and close, 8,192 open between",
            "fd.open_interleaved",
            "a bitmap of two levels: constant",
            8192,
        ),
        _then("malloc and free, one thread", "malloc.threads", "512 B, balanced", 1),
        _then(
            "malloc and free, two threads",
            "malloc.threads",
            "about 10 % slower than two processes",
            2,
        ),
        _then("malloc and free, two processes", "malloc.processes", "", 2),
        _then(
            "accept, one waits",
            "net.accept_herd",
            "until all sleep again",
            1,
            wait="accept",
        ),
        _then(
            "accept, 256 wait",
            "net.accept_herd",
            "2.2.9: grows with the waiters; wake-one: constant",
            256,
            wait="accept",
        ),
        _then(
            "threads woken of 256",
            "net.accept_herd",
            "2.2.9: all 256; wake-one: 1",
            256,
            "wakeups",
            wait="accept",
        ),
        _then(
            "the same with level-triggered epoll",
            "net.accept_herd",
            "epoll came later",
            256,
            "wakeups",
            wait="epoll",
        ),
        # Bryant, Hartner, He and Venkitachalam 2000.
        _then(
            "4-byte request and response",
            "net.tcp",
            "2.1 times the messages on 4 CPUs (2.3.99)",
            1,
            peer="process",
            cpu="same",
        ),
        # Von Leitner 2003: a notebook with 900 MHz.
        _then("fork, static program", "process.fork_exit", "180", image="static"),
        _then(
            "vfork, static program", "process.vfork_exit", "250: slower than fork", image="static"
        ),
        _then("fork, dynamic program", "process.fork_exit", "320", image="dynamic"),
        _then(
            "vfork, dynamic program",
            "process.vfork_exit",
            "250: faster than fork",
            image="dynamic",
        ),
        _then("fork, one child alive", "process.fork_alive", "about 200", 1, image="static"),
        _then(
            "fork, 2,048 children alive",
            "process.fork_alive",
            "Linux 2.6: the same; 2.4: grows",
            2048,
            image="static",
        ),
        _then("socket, 64 open", "fd.socket_churn", "", 64),
        _then("socket, 16,384 open", "fd.socket_churn", "Linux 2.6: the same", 16384),
        _then("bind to port 0, 8 bound", "port.bind_ephemeral", "", 8, protocol="tcp"),
        _then(
            "bind to port 0, 8,192 bound",
            "port.bind_ephemeral",
            "Linux 2.6: the same",
            8192,
            protocol="tcp",
        ),
        _then("mmap, 64 maps", "mmap.map", "", 64),
        _then("mmap, 16,384 maps", "mmap.map", "Linux 2.6: the same; 2.4, FreeBSD: grows", 16384),
        _then("first read, 32 maps", "mmap.touch", "", 32),
        _then("first read, 8,192 maps", "mmap.touch", "Linux 2.6: the same", 8192),
        _then(
            "first reply, forks for each client, 1 held",
            "server.first_reply",
            "",
            1,
            model="fork",
        ),
        _then(
            "first reply, forks for each client, 1,024 held",
            "server.first_reply",
            "Linux 2.4: slow with many processes",
            1024,
            model="fork",
        ),
        _then(
            "first reply, starts a thread for each, 1 held",
            "server.first_reply",
            "",
            1,
            model="thread",
        ),
        _then(
            "first reply, starts a thread for each, 1,024 held",
            "server.first_reply",
            "",
            1024,
            model="thread",
        ),
        _then(
            "first reply, one loop of poll(), 1 held",
            "server.first_reply",
            "",
            1,
            model="poll",
        ),
        _then(
            "first reply, one loop of poll(), 1,024 held",
            "server.first_reply",
            "linear in the connections",
            1024,
            model="poll",
        ),
        _then(
            "first reply, one loop of epoll, 1 held",
            "server.first_reply",
            "",
            1,
            model="epoll",
        ),
        _then(
            "first reply, one loop of epoll, 1,024 held",
            "server.first_reply",
            "Linux 2.6: constant",
            1024,
            model="epoll",
        ),
        _then(
            "header and body, two writes: segments",
            "net.header_body",
            "2; with TCP_CORK or writev() 1",
            None,
            "segments",
            how="two_writes",
        ),
        _then(
            "header and body, writev: segments",
            "net.header_body",
            "1",
            None,
            "segments",
            how="writev",
        ),
    ),
    heading="the experiments of 1998 to 2003 (docs/papers.md), now in {unit}",
    last_column="then",
)
