"""Processes: what it costs to make one and see it end."""

from micro.probe import Probe

PROBES = (
    Probe(
        name="process.fork_exit",
        kernel="cyext.process:ForkExit",
        title="fork, exit and wait",
        method="One operation is fork(), _exit(0) in the child and waitpid() in the parent, "
        "a Python process of about 10 MB, both on one CPU.",
        source="lmbench, lat_proc fork (McVoy and Staelin 1996)",
        waits=True,
    ),
    Probe(
        name="process.vfork_exit",
        kernel="cyext.process:VforkExit",
        title="vfork, exit and wait",
        method="One operation is vfork(), _exit(0) in the child and waitpid() in the parent, "
        "both on one CPU.",
        source="von Leitner, Scalable Network Programming (2003)",
        waits=True,
    ),
)
