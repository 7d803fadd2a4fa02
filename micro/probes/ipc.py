"""Messages between the timed loop and a peer."""

from micro.probes.declaration import Choice, Probe
from runners.model.count import SWITCHES
from runners.model.job import Promise

_PEER = Choice(("process", "thread"), usual=("process", "thread"), quick=("process",))
_CPU = Choice(("same", "other"), usual=("same", "other"), quick=("same", "other"))

PROBES = (
    Probe(
        name="ipc.pipe",
        workload="cyext.ipc.round_trips:Pipe",
        title="round trip of a byte over two pipes",
        method="One operation is a write() of one byte to a peer, which blocks in read() and "
        "writes it back over a second pipe, and the read() of that; the peer is a process or a "
        "thread, on the same CPU or on another, which sleeps while it has nothing to do.",
        source="lmbench lat_pipe (McVoy 1996); LEBench context switch (Ren et al. 2019)",
        params={"peer": _PEER, "cpu": _CPU},
        promise=Promise({"write": 1, "read": 1}),
        waits=True,
        counts=SWITCHES,
    ),
)
