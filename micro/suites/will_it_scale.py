"""will-it-scale: its tests by name; figures are operations per second of all tasks together."""

from micro.suites.suite import Operation, Suite

_PEER = {"peer": "process", "cpu": "same"}

SUITE = Suite(
    "will-it-scale",
    "operations/s",
    (
        Operation("brk1", "syscall.brk", times=0.5, differs="growing and shrinking are one pair"),
        Operation("context_switch1", "ipc.pipe", _PEER, times=0.5, differs="half a round trip"),
        Operation("dup1", "fd.dup_lowest", level=8, differs="beside 8 descriptors"),
        Operation("eventfd1", "ipc.eventfd", _PEER, differs="there and back between two tasks"),
        Operation("fallocate1", "file.allocate", level=1048576, differs="1 MiB in memory"),
        Operation("fallocate2", "file.allocate", level=4096, differs="4 KiB of an empty file"),
        Operation(
            "futex1", "lock.futex", {"call": "wake", "shared": "private"}, differs="nobody waits"
        ),
        Operation("getppid1", "syscall.getppid"),
        Operation("lock1", "lock.file", {"kind": "fcntl", "file": "one"}, 1),
        Operation("lseek1", "syscall.lseek"),
        Operation("malloc1", "malloc.size", level=131072, differs="128 KiB, with free()"),
        Operation("mmap1", "mmap.map", level=16, differs="one page, and only mmap()"),
        Operation("open1", "fd.open_close"),
        Operation("page_fault1", "mmap.fault_anon", {"pages": "4k"}, differs="one page"),
        Operation("page_fault3", "mmap.fault_file", {"pages": "4k"}, differs="one page"),
        Operation("pipe1", "ipc.pipe", _PEER, differs="two tasks; will-it-scale has one"),
        Operation("poll1", "event.poll", level=16, differs="one of 16 is ready"),
        Operation("posix_semaphore1", "ipc.posix_semaphore", _PEER, differs="with a switch"),
        Operation("pread1", "syscall.pread", level=4096),
        Operation("pthread_mutex1", "lock.mutex", {"shared": "private"}, 1),
        Operation("pwrite1", "syscall.pwrite", level=4096),
        Operation("read1", "syscall.read", differs="1 B of /dev/zero"),
        Operation("sched_yield", "syscall.sched_yield"),
        Operation("signal1", "signal.catch"),
        Operation("tlb_flush1", "mmap.protect_threads", level=1, differs="mprotect()"),
        Operation("unix1", "ipc.unix_datagram", _PEER, differs="with a switch"),
        Operation(
            "unlink1", "file.create_delete", {"fs": "tmpfs", "size": "0"}, differs="16 directories"
        ),
        Operation("writeseek1", "syscall.pwrite", level=4096, differs="pwrite() seeks itself"),
    ),
    teams=True,
)
