"""will-it-scale: its tests by name; figures are operations per second of all tasks together."""

from collections.abc import Mapping

from cyext.core.page_sizes import SMALL_PAGES
from micro.suites.suite import Operation, Suite
from runners.model.benchmark import Scalar

_PEER = {"peer": "process", "cpu": "same"}
_FCNTL = {"kind": "fcntl"}
_READY = {"ready": "1", "rotation": "fixed"}
_PATH = "a name without directories; will-it-scale's is /tmp/…"
_WORK = "with four multiply-adds and a count while it is locked"
_IN_MEMORY = "of a file in memory"
_NO_SEEK = "pread() and pwrite() of 4 KiB of a file in memory do not seek"


def _two(
    test: str, params: Mapping[str, Scalar], probe: str, differs: str = "", times: float = 0.5
) -> Operation:
    """A test of two tasks, by a probe that is a team already: `Operation.of_team` has the others.

    ``test`` ends in ``_threads`` or ``_processes``, as the programs do.
    """
    return Operation(f"{test}, 2 tasks", probe, params, 2, differs, times=times)


def _same_file(test: str, call: str, differs: str = "") -> Operation:
    """A test whose tasks all use one file."""
    return Operation(test, "file.shared", {"call": call, "fs": "tmpfs"}, differs=differs)


SUITE = Suite(
    "will-it-scale",
    "operations/s",
    (
        Operation("access1", "syscall.access", differs=_PATH),
        _same_file("access2", "access", _PATH),
        Operation("brk1", "syscall.brk", times=0.5, differs="growing and shrinking are one pair"),
        Operation("brk2", "syscall.brk", times=0.5, differs="as brk1"),
        Operation("context_switch1", "ipc.pipe", _PEER, times=0.5, differs="half a round trip"),
        Operation("dup1", "fd.dup_lowest", level=2),
        Operation("eventfd1", "ipc.queued_eventfd"),
        Operation(
            "fallocate1",
            "file.allocate",
            level=1048576,
            times=1 / 128,
            differs="1 MiB by one call; will-it-scale calls for every 8 KiB of it",
        ),
        Operation(
            "fallocate2",
            "file.allocate",
            level=1048576,
            times=1 / 128,
            differs="as fallocate1, in memory; will-it-scale's file is in /tmp",
        ),
        Operation("fstat1", "syscall.fstat"),
        _same_file("fstat2", "fstat"),
        Operation("futex1", "lock.futex", {"call": "wake", "shared": "process"}),
        Operation("futex2", "lock.futex", {"call": "wait", "shared": "process"}),
        Operation("futex3", "lock.futex", {"call": "wake", "shared": "private"}),
        Operation("futex4", "lock.futex", {"call": "wait", "shared": "private"}),
        Operation("getppid1", "syscall.getppid"),
        Operation("lock1", "lock.file", _FCNTL | {"file": "one"}, 1, _WORK, times=0.5),
        _two("lock1_processes", _FCNTL | {"file": "own"}, "lock.file", _WORK, 0.25),
        _two("lock2_processes", _FCNTL | {"file": "one"}, "lock.file", _WORK, 0.25),
        Operation("lseek1", "syscall.lseek", differs="alternately to 0 and 1"),
        _same_file("lseek2", "lseek", "alternately to 0 and 1"),
        Operation("malloc1", "malloc.size", level=134217728),
        Operation("malloc2", "malloc.size", level=1024),
        Operation("mmap1", "mmap.map_unmap", level=40960000, differs="39 MiB of a file"),
        Operation("mmap2", "mmap.map_unmap", level=40960000, differs="39 MiB, shared"),
        Operation("open1", "fd.open_close", differs=_PATH),
        _two("open1_threads", {}, "fd.table_shared", _PATH),
        Operation("open2", differs="open1 in directories of their own"),
        _same_file("open3", "open", _PATH),
        Operation(
            "page_fault1",
            "mmap.length",
            {"pages": SMALL_PAGES},
            8388608,
            times=1 / 2048,
            differs="8 MiB at a time instead of 128 MiB, never huge pages",
        ),
        _two(
            "page_fault1_threads",
            {"pages": SMALL_PAGES},
            "mmap.fault_threads",
            "without mmap() and munmap()",
        ),
        Operation(
            "page_fault2",
            "mmap.fault_copy",
            differs="only the fault, of a page that was read before; will-it-scale's was not, and "
            "mmap() and munmap() are in it",
        ),
        Operation(
            "page_fault3",
            "mmap.fault_file",
            {"pages": SMALL_PAGES},
            differs="reads a cached page; will-it-scale writes, and mmap() and munmap() are in it",
        ),
        Operation(
            "page_fault4",
            differs="most of its reads find a page that the fault before has mapped; "
            "mmap.fault_around times that fault",
        ),
        Operation("pipe1", "ipc.queued", {"through": "pipe"}, 1),
        Operation("poll1", "event.poll", _READY, 1, differs="of a socket"),
        Operation(
            "poll2",
            "event.poll",
            _READY,
            128,
            differs="one of 128 sockets is ready; all of will-it-scale's files are, always",
        ),
        Operation("posix_semaphore1", "lock.semaphore", {"shared": "private"}, 1, differs=_WORK),
        Operation("ppc-atomic1 to 3", "hardware.atomic_add", level=1, differs="any processor"),
        Operation("ppc-spinlock1 to 6", "lock.spin", {"shared": "private"}, 1, differs=_WORK),
        Operation("pread1", "syscall.pread", level=4096, differs=_IN_MEMORY),
        _same_file("pread2", "pread", _IN_MEMORY),
        _same_file("pread3", "pread_own", _IN_MEMORY),
        Operation("pthread_mutex1", "lock.mutex", {"shared": "private"}, 1, differs=_WORK),
        _two("pthread_mutex1_threads", {"shared": "private"}, "lock.mutex", _WORK),
        _two("pthread_mutex2_threads", {"shared": "own"}, "lock.mutex", _WORK),
        Operation(
            "pthread_mutex3, pthread_mutex4, pthread_mutex5",
            "lock.mutex",
            {"shared": "private"},
            1,
            differs=_WORK + "; will-it-scale adds to a counter",
        ),
        Operation("pwrite1", "syscall.pwrite", level=4096, differs=_IN_MEMORY),
        _same_file("pwrite2", "pwrite", _IN_MEMORY),
        _same_file("pwrite3", "pwrite_own", _IN_MEMORY),
        Operation("read1", "syscall.pread", level=4096, differs=_NO_SEEK),
        _same_file("read2", "pread", _NO_SEEK),
        Operation("read3, read4", differs="O_DIRECT: no disk is read"),
        Operation("readseek1", "syscall.pread", level=4096, differs=_NO_SEEK),
        _same_file("readseek2", "pread", _NO_SEEK),
        _same_file("readseek3", "pread_own", _NO_SEEK),
        Operation("sched_yield", "syscall.sched_yield"),
        Operation("signal1", "signal.catch"),
        Operation("stat1", "syscall.stat", differs=_PATH),
        _same_file("stat2", "stat", _PATH),
        Operation("threadspawn1", "thread.create_join", {"stack": "default"}),
        Operation("tlb_flush1", "mmap.discard", {"map": "private"}),
        Operation(
            "tlb_flush2",
            "mmap.discard",
            {"map": "memory"},
            differs="without mmap() and munmap() of 256 pages at once",
        ),
        Operation("tlb_flush3", "mmap.discard", {"map": "shared"}),
        Operation("unix1", "ipc.queued", {"through": "unix"}, 1),
        Operation(
            "unlink1",
            "file.create_delete",
            {"fs": "tmpfs", "size": "0"},
            differs="on tmpfs, in 16 directories in turn",
        ),
        Operation("unlink2", differs="unlink1 in directories of their own"),
        Operation("write1", "syscall.pwrite", level=4096, differs=_NO_SEEK),
        Operation("writeseek", "syscall.pwrite", level=4096, differs=_NO_SEEK),
        _same_file("writeseek2", "pwrite", _NO_SEEK),
        _same_file("writeseek3", "pwrite_own", _NO_SEEK),
    ),
    teams=True,
)
