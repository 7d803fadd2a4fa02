"""Threads: what it costs to make one and see it end."""

from micro.probe import Probe

PROBES = (
    Probe(
        name="thread.create_join",
        kernel="cyext.thread:CreateJoin",
        title="create and join a thread",
        method="One operation is pthread_create() of an empty function with default attributes "
        "and pthread_join(), both threads on one CPU.",
        source="von Leitner, Scalable Network Programming (2003)",
        waits=True,
    ),
)
