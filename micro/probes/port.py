"""Ports: how the system picks one."""

from micro.probe import Axis, Probe, powers_of_two

PROBES = (
    Probe(
        name="port.bind_ephemeral",
        kernel="cyext.port:BindEphemeral",
        title="bind to port 0 among many",
        method="One operation, with bound_ports TCP sockets bound, is bind() of one more to "
        "127.0.0.1 port 0; making and closing its socket is not timed.",
        source="von Leitner, Scalable Network Programming (2003)",
        axis=Axis("bound_ports", powers_of_two(16, 1 << 15), quick=(16, 128, 1024, 8192)),
        slices=30,
        waits=True,  # closed sockets are freed later, by a kernel thread
    ),
)
