"""LEBench: the names, the order and the unit of its output."""

from micro.suites.suite import Operation, Suite

_PEER = {"peer": "process", "cpu": "same"}
_FORK = "with the child's exit and waitpid(); LEBench stops when fork() returns"
_UNUSED = "a reference of LEBench's own"

#: LEBench's word, and its pages.
_SIZES = (("small", 1), ("mid", 10), ("big", 1000), ("huge", 10000))


def _transfer(name: str, word: str, pages: int) -> Operation:
    differs = "of a file in memory that stays open"
    if name == "read" and pages == 10000:
        differs += "; LEBench reads into new memory, with its page faults"
    return Operation(f"{word} {name}", f"syscall.p{name}", level=4096 * pages, differs=differs)


def _map(word: str, pages: int) -> Operation:
    if pages > 1:
        both = "mmap() and munmap() together, no page touched"
        return Operation(f"{word} mmap", "mmap.map_unmap", level=4096 * pages, differs=both)
    return Operation(f"{word} mmap", "mmap.map", level=16, differs="beside 16 maps")


def _waits(suffix: str, sockets: int, level: int) -> tuple[Operation, ...]:
    differs = f"one of {level:,} sockets is ready; LEBench's {sockets:,} all are (hung up)"
    return (
        Operation(f"select{suffix}", "event.select", level=level, differs=differs),
        Operation(f"poll{suffix}", "event.poll", level=level, differs=differs),
        Operation(
            f"epoll{suffix}",
            "event.dequeue",
            {"events": "all"},
            sockets,
            differs="all are ready, as in LEBench, but of UDP",
        ),
        Operation(f"epoll{suffix}, one ready", "event.epoll", level=level, differs=differs),
    )


SUITE = Suite(
    "LEBench (Ren et al. 2019)",
    "s",
    (
        Operation("ref", differs=_UNUSED + ": two looks at the clock"),
        Operation("cpu", differs=_UNUSED + ": divisions"),
        Operation("getpid", "syscall.getppid", differs="getppid(), which no library answers"),
        Operation(
            "context switch",
            "ipc.pipe",
            _PEER,
            differs="a round trip over two pipes, so two switches; switch.ring has one",
        ),
        Operation("send", "ipc.send", level=1),
        Operation("recv", "ipc.recv", level=1),
        Operation("big send", "ipc.send", level=96000),
        Operation("big recv", "ipc.recv", level=96000),
        Operation("fork", "process.fork_exit", {"image": "dynamic"}, differs=_FORK),
        Operation(
            "fork Child",
            "process.fork_alive",
            {"image": "static"},
            1,
            differs="of a static parent, with one living child, and a byte that says it runs",
        ),
        Operation(
            "thr create",
            "thread.create_join",
            {"stack": "default"},
            differs="with pthread_join(); LEBench stops when pthread_create() returns",
        ),
        Operation(
            "thr create Child",
            "thread.create_alive",
            {"stack": "default", "stack_memory": "cached"},
            1,
            differs="beside one living thread, and with a byte that says it runs",
        ),
        Operation("big fork", "process.fork_maps", level=6000, differs=_FORK),
        Operation("huge fork", "process.fork_maps", level=12000, differs=_FORK),
        *(
            operation
            for word, pages in _SIZES
            for operation in (
                _transfer("write", word, pages),
                _transfer("read", word, pages),
                _map(word, pages),
                Operation(
                    f"{word} munmap",
                    "mmap.unmap_pages",
                    {"touched": "written", "map": "private"},
                    pages,
                ),
                Operation(
                    f"{word} page fault",
                    "mmap.fault_around",
                    level=pages,
                    differs="of a shared map whose page table exists",
                ),
            )
        ),
        *_waits("", 10, 16),
        *_waits(" big", 1000, 1024),
    ),
)
