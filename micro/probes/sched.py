"""The scheduler under load."""

from micro.probes.declaration import HAS_PEERS, TIMES_ITSELF, Axis, Choice, Probe, powers_of_two
from runners.model.job import Promise

_GROUP = Choice(("small", "same"), usual=("same",), quick=("same",))

PROBES = (
    Probe(
        name="sched.hackbench",
        workload="cyext.sched.groups:Hackbench",
        title="groups of senders and receivers",
        method="One operation is a message of 100 bytes from each of 20 senders to each of 20 "
        "receivers in every group: 400 messages a group, over pipes or Unix stream sockets; all "
        "tasks run on the CPUs of this run, as the system likes, and the batch ends when the last "
        "receiver has its last message.",
        source="hackbench (Rusty Russell 2001, from Craig Thomas' Chat simulator); perf bench "
        "sched messaging",
        params={
            "transport": Choice(("pipe", "socket"), usual=("pipe",), quick=("pipe",)),
            "peer": Choice(("process", "thread"), usual=("process",), quick=("process",)),
        },
        axis=Axis("groups", (1,), quick=(1,), rigorous=powers_of_two(1, 16)),
        no_team=HAS_PEERS,
        promise=Promise(tolerated=frozenset({"read", "write"})),
        waits=True,
        clock_bound_up_to=0,
        least_effort="usual",
    ),
    Probe(
        name="sched.wakeup",
        workload="cyext.sched.wakeups:Wakeup",
        title="how late a woken task runs among runnable ones",
        method="One operation is the time from a futex call that wakes a sleeper until the sleeper "
        "runs, while other processes, all on its CPU, want the CPU all the time; one of them wakes "
        "it, at a random moment up to 1 ms after it fell asleep; nice is the other processes' "
        "value, the sleeper's is 0; with group=small the other processes are in a control group "
        "that has a sixteenth of the usual share of the CPU.",
        source="schbench (Mason 2016): wake-up latency; Banga, Druschel and Mogul 1998: a server "
        "that must answer under load",
        params={"nice": Choice(("0", "19"), usual=("0",), quick=("0",)), "group": _GROUP},
        axis=Axis("runnable", (1,), quick=(1,), rigorous=powers_of_two(1, 256)),
        promise=Promise({"futex": 1}),
        waits=True,
        clock_bound_up_to=0,
        slices=5,
        no_team=TIMES_ITSELF,
        least_effort="usual",
    ),
    Probe(
        name="sched.accept",
        workload="cyext.sched.wakeups:FavouredServer",
        title="how late a favoured server accepts under a flood",
        method="One operation is the time from connect() to a server until the server's accept() "
        "returns, while other processes, all on its CPU and as many as flooded says, connect to "
        "listeners of their own and accept all the time; one of them connects to the server, at a "
        "random moment up to 1 ms after the server fell asleep; nice is the other processes' "
        "value, the server's is 0; with group=small the other processes are in a control group "
        "that has a sixteenth of the usual share of the CPU.",
        source="Banga, Druschel and Mogul 1999, resource containers: a favoured "
        "client under a flood",
        params={"nice": Choice(("0", "19"), usual=("0", "19"), quick=("19",)), "group": _GROUP},
        axis=Axis("flooded", (4,), quick=(4,), rigorous=powers_of_two(1, 64)),
        promise=Promise({"accept": 1, "close": 1}),
        waits=True,
        clock_bound_up_to=0,
        slices=5,
        no_team=TIMES_ITSELF,
        least_effort="usual",
    ),
)
