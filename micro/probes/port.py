"""Ports: how the system picks one, few and many, and the last ones."""

from collections.abc import Mapping

from cyext.core.limits import ephemeral_ports
from micro.probes.declaration import Axis, Choice, Headline, Probe, powers_of_two
from runners.model.benchmark import Scalar
from runners.model.job import Promise

_VON_LEITNER = "von Leitner, Scalable Network Programming (2003)"
_LOW, _HIGH = ephemeral_ports() or (49152, 65535)  # where it is not told, as IANA has it


def _shares(*thousandths: int) -> tuple[int, ...]:
    """Levels at these shares of the range that the system picks from, to three digits."""
    exact = [(_HIGH - _LOW + 1) * share // 1000 for share in thousandths]
    steps = [10 ** max(0, len(str(level)) - 3) for level in exact]
    return tuple(level // step * step for level, step in zip(exact, steps, strict=True) if level)


def _with(levels: tuple[int, ...], *more: int) -> tuple[int, ...]:
    return tuple(sorted({*levels, *more}))


_BOUND = powers_of_two(8, 1 << 14)
_CONNECTED = powers_of_two(4, 1 << 13)


def _connect(params: Mapping[str, Scalar], level: int | None) -> Promise:
    calls = {"connect": 1} if params["bind"] == "none" else {"bind": 1, "connect": 1}
    return Promise(calls=calls)


PROBES = (
    Probe(
        name="port.bind_ephemeral",
        workload="cyext.port.ports:BindEphemeral",
        title="bind to port 0 among many",
        method="One operation, with bound_ports sockets of a protocol and an IP version bound, is "
        "bind() of one more to the loopback address, port 0; making and closing its socket is not "
        "timed, and what one process may not hold its children do.",
        source=_VON_LEITNER,
        params={
            "protocol": Choice(("tcp", "udp"), usual=("tcp",), quick=("tcp",)),
            "ip": Choice(("4", "6"), usual=("4",), quick=("4",)),
        },
        axis=Axis(
            "bound_ports",
            (8, 128, 512, 2048, 8192, 1 << 14),
            quick=(8, 128, 2048, 8192),
            rigorous=_with(_BOUND, *_shares(900, 990, 999)),
        ),
        slices=30,
        promise=Promise(calls={"bind": 1}),
        waits=True,  # closed sockets are freed later, by a kernel thread
        headlines=(Headline("bind port 0, TCP", params={"protocol": "tcp"}),),
    ),
    Probe(
        name="port.connect_ephemeral",
        workload="cyext.port.ports:ConnectEphemeral",
        title="connect from a port that the system picks among many",
        method="One operation, with connections established on loopback TCP over IPv4, is "
        "connect() of one more to the same listening port, after a bind() to 127.0.0.1 port 0 "
        "where asked, with or without IP_BIND_ADDRESS_NO_PORT; making, accepting and closing is "
        "not timed.",
        least_effort="usual",
        source=f"{_VON_LEITNER}: connect's implicit port",
        params={"bind": Choice(("none", "bind", "no_port"), usual=("none",), quick=("none",))},
        axis=Axis(
            "connections",
            (4, 64, 256, 1024, 8192),
            quick=(4, 1024),
            # Just before and after every second port is taken.
            rigorous=_with(_CONNECTED, *_shares(490, 510)),
        ),
        promise=_connect,
        waits=True,
        headlines=(Headline("connect, many"),),
    ),
)
