"""Events: waiting for one descriptor of many."""

from micro.probe import Axis, Probe, powers_of_two

_WATCHED = Axis("watched", powers_of_two(1, 1 << 16), quick=(1, 8, 64, 512, 4096))
_SOURCE = "Banga and Mogul 1998; Linux Scalability Project (Michigan 1999)"

PROBES = (
    Probe(
        name="event.poll",
        kernel="cyext.event:Poll",
        title="poll, one ready of many",
        method="One operation is poll() with a blocking time-out over watched UDP sockets, of "
        "which the middle one is ready.",
        source=_SOURCE,
        axis=_WATCHED,
    ),
    Probe(
        name="event.epoll",
        kernel="cyext.event:Epoll",
        title="epoll, one ready of many",
        method="One operation is epoll_wait() with a blocking time-out while watched UDP sockets "
        "are registered, of which one is ready.",
        source=_SOURCE,
        axis=_WATCHED,
    ),
)
