"""Processes: what it costs to make one, from parents of different size, and to have many."""

from micro.probe import Axis, Choice, Probe, powers_of_two

_VON_LEITNER = "von Leitner, Scalable Network Programming (2003)"
_LMBENCH = "lmbench, lat_proc (McVoy and Staelin 1996)"
_IMAGES = Choice(
    ("static", "dynamic", "python"),
    usual=("static", "dynamic", "python"),
    quick=("static", "python"),
)
_ONE_IMAGE = Choice(_IMAGES.values, usual=("dynamic",), quick=("dynamic",))
_PROGRAMS = Choice(("static", "dynamic"), usual=("static", "dynamic"), quick=("dynamic",))
_ALIVE = Axis(
    "live_children",
    powers_of_two(1, 1 << 11),
    quick=(1, 16, 128, 1024),
    rigorous=powers_of_two(1, 1 << 15),
)
_PARENT = (
    "; the parent is a tiny program, linked statically or dynamically, or a Python process, and "
    "shares one CPU with its children."
)

PROBES = (
    Probe(
        name="process.fork_exit",
        kernel="cyext.process:ForkExit",
        title="fork, exit and wait",
        method="One operation is fork(), _exit(0) in the child and waitpid() in the parent"
        + _PARENT,
        source=_LMBENCH,
        params={"image": _IMAGES},
        waits=True,
    ),
    Probe(
        name="process.vfork_exit",
        kernel="cyext.process:VforkExit",
        title="vfork, exit and wait",
        method="One operation is vfork(), _exit(0) in the child and waitpid() in the parent"
        + _PARENT,
        source=_VON_LEITNER,
        params={"image": _IMAGES},
        waits=True,
    ),
    Probe(
        name="process.fork_exec",
        kernel="cyext.process:ForkExec",
        title="fork, execute a tiny program and wait",
        method="One operation is fork(), execve() of a program that leaves at once, and waitpid()"
        + _PARENT,
        source=_LMBENCH,
        params={"image": _ONE_IMAGE, "program": _PROGRAMS},
        waits=True,
    ),
    Probe(
        name="process.vfork_exec",
        kernel="cyext.process:VforkExec",
        title="vfork, execute a tiny program and wait",
        method="One operation is vfork(), execve() of a program that leaves at once, and "
        "waitpid()" + _PARENT,
        source=_VON_LEITNER,
        params={"image": _ONE_IMAGE, "program": _PROGRAMS},
        waits=True,
    ),
    Probe(
        name="process.posix_spawn",
        kernel="cyext.process:PosixSpawn",
        title="spawn a tiny program and wait",
        method="One operation is posix_spawn() of a program that leaves at once, and waitpid()"
        + _PARENT,
        source="POSIX.1-2008, posix_spawn: the way around fork for large parents",
        params={"image": _ONE_IMAGE, "program": _PROGRAMS},
        waits=True,
    ),
    Probe(
        name="process.fork_alive",
        kernel="cyext.process:ForkAlive",
        title="fork beside many living children",
        method="One operation, with live_children alive and blocked, is fork() of one more and "
        "read() of the byte that it writes; its end is not timed" + _PARENT,
        source=_VON_LEITNER,
        params={"image": Choice(_IMAGES.values, usual=("static",), quick=("static",))},
        axis=_ALIVE,
        waits=True,
    ),
    Probe(
        name="process.reap",
        kernel="cyext.process:Reap",
        title="end and reap one of many children",
        method="One operation, with live_children more alive and blocked, is kill(SIGKILL) of one "
        "child and waitpid() for it; its fork is not timed" + _PARENT,
        source=_VON_LEITNER,
        params={"image": Choice(_IMAGES.values, usual=("static",), quick=("static",))},
        axis=_ALIVE,
        waits=True,
    ),
)
