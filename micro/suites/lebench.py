"""LEBench: the names, the order and the unit of its output."""

from micro.suites.suite import Operation, Suite

_ONE_WAY = "micro times the round trip; LEBench times send() and recv() with a peer that is ready"
_BIG = "one way, send and receive together"
_CHILD = "the parent's time until the child has ended"
_UNUSED = "a reference of LEBench's own"

#: LEBench's word, and its pages.
_SIZES = (("small", 1), ("mid", 10), ("big", 1000), ("huge", 10000))


def _transfer(name: str, word: str, pages: int) -> Operation:
    probe = f"syscall.p{name}"
    return Operation(f"{word} {name}", probe, level=4096 * pages, differs="of a file in memory")


def _mapping(name: str, probe: str, level: int, word: str, pages: int) -> Operation:
    if pages > 1:
        both = "mmap() and munmap() together"
        return Operation(f"{word} {name}", "mmap.map_unmap", level=4096 * pages, differs=both)
    return Operation(f"{word} {name}", probe, level=level, differs=f"beside {level} maps")


def _waits(suffix: str, sockets: int, level: int) -> tuple[Operation, ...]:
    return tuple(
        Operation(
            f"{call}{suffix}",
            f"event.{call}",
            level=level,
            differs=f"{level:,} sockets instead of {sockets:,}; one is ready",
        )
        for call in ("select", "poll", "epoll")
    )


SUITE = Suite(
    "LEBench (Ren et al. 2019)",
    "s",
    (
        Operation("ref", differs=_UNUSED),
        Operation("cpu", differs=_UNUSED),
        Operation("getpid", "syscall.getppid", differs="getppid(), which no library answers"),
        Operation(
            "context switch",
            "ipc.pipe",
            {"peer": "process", "cpu": "same"},
            differs="a round trip over two pipes, so two switches; switch.ring has one",
        ),
        Operation("send", "ipc.unix_stream", {"peer": "process", "cpu": "same"}, differs=_ONE_WAY),
        Operation("recv", "ipc.unix_stream", {"peer": "process", "cpu": "same"}, differs=_ONE_WAY),
        Operation("big send", "ipc.unix_bandwidth", level=96000, differs=_BIG),
        Operation("big recv", "ipc.unix_bandwidth", level=96000, differs=_BIG),
        Operation("fork", "process.fork_exit", {"image": "dynamic"}, differs=_CHILD),
        Operation(
            "thr create",
            "thread.create_join",
            {"stack": "default"},
            differs="with pthread_join(); LEBench stops when the thread runs",
        ),
        Operation("big fork", "process.fork_maps", level=6000, differs=_CHILD),
        Operation("huge fork", "process.fork_maps", level=12000, differs=_CHILD),
        *(
            operation
            for word, pages in _SIZES
            for operation in (
                _transfer("write", word, pages),
                _transfer("read", word, pages),
                _mapping("mmap", "mmap.map", 16, word, pages),
                _mapping("munmap", "mmap.unmap", 256, word, pages),
                Operation(f"{word} page fault", "mmap.fault_around", level=pages),
            )
        ),
        *_waits("", 10, 16),
        *_waits(" big", 1000, 1024),
    ),
)
