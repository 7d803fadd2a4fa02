"""LEBench: the names, the order and the unit of its output."""

from micro.suites.suite import Operation, Suite

_ONE_WAY = "micro times the round trip; LEBench times send() and recv() with a peer that is ready"
_BIG = "64 KiB instead of 96,000 B; one way, send and receive together"
_BIG_READ = "1,024 pages, 64 KiB at a time, instead of 1,000 pages at once"
_CHILD = "the parent's time until the child has ended"
_UNUSED = "a reference of LEBench's own"

#: LEBench's word, its pages, and the bytes that micro reads or writes in their place.
_SIZES = (("small", 1, 4096), ("mid", 10, 65536), ("big", 1000, None), ("huge", 10000, None))


def _transfer(name: str, probe: str, word: str, pages: int, size: int | None) -> Operation:
    if (word, name) == ("big", "read"):
        return Operation("big read", "file.read", level=4194304, differs=_BIG_READ)
    if size is None:
        return Operation(f"{word} {name}", differs=f"{pages:,} pages; micro has up to 64 KiB")
    same = "a page of a file in memory"
    other = f"64 KiB instead of {pages} pages of a file in memory"
    return Operation(f"{word} {name}", probe, level=size, differs=same if pages == 1 else other)


def _mapping(name: str, probe: str, level: int, word: str, pages: int) -> Operation:
    if pages > 1:
        return Operation(f"{word} {name}", differs=f"{pages:,} pages; micro has one")
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
        Operation("big send", "ipc.unix_bandwidth", level=65536, differs=_BIG),
        Operation("big recv", "ipc.unix_bandwidth", level=65536, differs=_BIG),
        Operation("fork", "process.fork_exit", {"image": "dynamic"}, differs=_CHILD),
        Operation(
            "thr create",
            "thread.create_join",
            {"stack": "default"},
            differs="with pthread_join(); LEBench stops when the thread runs",
        ),
        Operation("big fork", differs="6,000 maps: micro run process.fork_maps -p maps=6000"),
        Operation(
            "huge fork", "process.fork_maps", level=16384, differs="16,384 maps instead of 12,000"
        ),
        *(
            operation
            for word, pages, size in _SIZES
            for operation in (
                _transfer("write", "syscall.pwrite", word, pages, size),
                _transfer("read", "syscall.pread", word, pages, size),
                _mapping("mmap", "mmap.map", 16, word, pages),
                _mapping("munmap", "mmap.unmap", 256, word, pages),
                Operation(f"{word} page fault", "mmap.fault_around", level=pages),
            )
        ),
        *_waits("", 10, 16),
        *_waits(" big", 1000, 1024),
    ),
)
