"""LEBench, in its order and its unit."""

from micro.suites.suite import Operation, Suite

_SEND = "micro times the round trip; LEBench times send and recv each with a peer that is ready"
_BIG = "64 KiB instead of 96,000 B, through Unix stream sockets, one way"
_FORK = "the child only ends; LEBench reads the clock in the child, too"


def _pages(name: str, what: str) -> tuple[Operation, ...]:
    return tuple(
        Operation(f"{name} {pages}", "syscall.pread" if what == "read" else "syscall.pwrite",
                  level=size, differs=differs)
        for pages, size, differs in (
            ("small", 1, "1 B of a file in memory"),
            ("medium", 4096, "4 KiB of a file in memory"),
            ("large", 65536, "64 KiB of a file in memory"),
        )
    )  # fmt: skip


def _waits(name: str, probe: str) -> tuple[Operation, ...]:
    return (
        Operation(
            f"{name} 10", f"event.{probe}", level=16, differs="16 sockets instead of 10, one ready"
        ),
        Operation(
            f"{name} 1000",
            f"event.{probe}",
            level=1024,
            differs="1,024 sockets instead of 1,000, one ready",
        ),
    )


SUITE = Suite(
    "LEBench (Ren et al. 2019)",
    "ns",
    (
        Operation("getpid", "syscall.getppid", differs="getppid(), which no library answers"),
        Operation(
            "context switch",
            "ipc.pipe",
            {"peer": "process", "cpu": "same"},
            differs="the same: a round trip over two pipes, so two switches; switch.ring has one",
        ),
        Operation("send", "ipc.unix_stream", {"peer": "process", "cpu": "same"}, differs=_SEND),
        Operation("big send", "ipc.unix_bandwidth", level=65536, differs=_BIG),
        Operation("fork", "process.fork_exit", {"image": "dynamic"}, differs=_FORK),
        Operation(
            "big fork",
            "process.fork_maps",
            level=16384,
            differs="16,384 maps instead of 6,000 or 12,000",
        ),
        Operation(
            "thread create",
            "thread.create_join",
            {"stack": "default"},
            differs="create and join; LEBench stops when the thread runs",
        ),
        *_pages("read", "read"),
        *_pages("write", "write"),
        Operation("mmap", "mmap.map", level=16, differs="beside 16 maps; one page"),
        Operation("munmap", "mmap.unmap", level=256, differs="beside 256 maps; one page"),
        *(
            Operation(f"page fault {pages}", "mmap.fault_around", level=pages)
            for pages in (1, 10, 1000, 10000)
        ),
        *_waits("select", "select"),
        *_waits("poll", "poll"),
        *_waits("epoll", "epoll"),
    ),
)
