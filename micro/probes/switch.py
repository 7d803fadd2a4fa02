"""Switches from task to task on one CPU: what the scheduler costs whoever waits."""

from micro.probes.declaration import HAS_PEERS, Axis, Choice, Headline, Probe, powers_of_two
from runners.model.count import SWITCHES
from runners.model.job import Promise

_LMBENCH = "lmbench, lat_ctx (McVoy and Staelin 1996)"
_PEER = Choice(("process", "thread"), usual=("process",), quick=("process",))
_KIB = 1024
# The timed task makes one hop of a lap: in a small batch one, or none.
_HOPS = Promise(tolerated=frozenset({"read", "write"}))


PROBES = (
    Probe(
        name="switch.ring",
        workload="cyext.switch.rings:Ring",
        title="context switch in a ring of tasks",
        method="One operation is one hop of a token in a ring of tasks on one CPU: write() of a "
        "byte to the pipe of the next task, the switch to that task, and its read(); the batch "
        "ends when the token has arrived.",
        source=_LMBENCH,
        params={"peer": Choice(("process", "thread"), ("process", "thread"), ("process",))},
        # Beside powers of two, lmbench's 24 and 96.
        axis=Axis(
            "tasks",
            (2, 8, 32),
            quick=(2, 32),
            rigorous=tuple(sorted({*powers_of_two(2, 4096), 24, 96})),
        ),
        no_team=HAS_PEERS,
        promise=_HOPS,
        waits=True,
        headlines=(
            Headline("context switch", "Processes", params={"peer": "process"}, level=2),
            Headline("switch, many tasks", params={"peer": "process"}),
        ),
    ),
    Probe(
        name="switch.working_set",
        workload="cyext.switch.rings:WorkingSet",
        title="context switch between tasks with working sets",
        method="One operation is one hop as in switch.ring, where the task reads and writes a "
        "word in each cache line of its working set of size bytes when the token comes; what a "
        "task alone needs for that, measured in each batch, is subtracted, and at least 1 ns is "
        "left of a batch.",
        source=f"{_LMBENCH}, its option -s",
        params={"peer": _PEER, "tasks": Choice((8, 2, 16), usual=(8,), quick=(8,))},
        axis=Axis(
            "size",
            (4 * _KIB, 32 * _KIB, 256 * _KIB),
            quick=(4 * _KIB, 32 * _KIB),
            rigorous=powers_of_two(_KIB, 1024 * _KIB),
            kind="bytes",
            walks_caches=True,
        ),
        no_team=HAS_PEERS,
        promise=_HOPS,
        waits=True,
        least_effort="usual",
    ),
    Probe(
        name="switch.wake_one",
        workload="cyext.switch.rings:WakeOne",
        title="wake one of many sleepers",
        method="One operation is write() of a byte to the pipe that one of the sleepers reads, "
        "each in turn, and the read() of its answer; all tasks run on one CPU.",
        source="servers that hand each request to a sleeping worker; IBM 2000: Linux with "
        "many threads",
        params={"peer": _PEER},
        axis=Axis("sleepers", (1, 16), quick=(1, 16), rigorous=powers_of_two(1, 4096)),
        no_team=HAS_PEERS,
        promise=Promise({"read": 1, "write": 1}),
        waits=True,
        counts=SWITCHES,
        least_effort="usual",
    ),
    Probe(
        name="switch.yield",
        workload="cyext.switch.rings:Yield",
        title="yield among runnable tasks",
        method="One operation is sched_yield() of the timed task, while the other tasks on its "
        "CPU do nothing but call sched_yield(), too.",
        source="libMicro; LinuxThreads and the 2.2 scheduler in Kegel's C10K pages",
        params={"peer": Choice(("thread", "process"), ("thread",), ("thread",))},
        axis=Axis("runnable", (1, 4, 16), quick=(1, 4), rigorous=powers_of_two(1, 256)),
        no_team=HAS_PEERS,
        promise=Promise({"sched_yield": 1}),
        waits=True,
        counts=SWITCHES,
        least_effort="usual",
    ),
)
