"""libMicro: its programs and what its script calls them with, in the order of the script."""

from collections.abc import Mapping, Sequence

from cyext.core.page_sizes import SMALL_PAGES
from micro.suites.suite import Operation, Suite
from runners.model.benchmark import Scalar

_KIB, _MIB = 1 << 10, 1 << 20
_PEER = {"peer": "process", "cpu": "same"}
_THREAD = _PEER | {"peer": "thread"}
_ONE_CPU = "both on one CPU"
_LIBRARY = "functions of the C library"
_PATH = "a name without directories; libMicro's has three"
_MEMORY = "of a file in memory"
_WORK = "with four multiply-adds and a count while it is locked"
_UNCONTENDED = f"two pairs of lock and unlock, each {_WORK}"
_CLOCK = {"by": "library"}
_DYNAMIC = {"image": "dynamic", "program": "dynamic"}
_ANON = {"pages": SMALL_PAGES}
_SLEEP = {"load": "idle", "slack": "default", "scheduler": "other"}
_LATE = "only the time after the moment that was asked for"
_LOCK_BYTE, _LOCK_FILE = {"kind": "fcntl", "file": "one"}, {"kind": "flock", "file": "one"}


def _sizes(
    program: str,
    variants: Sequence[tuple[str, int, int]],
    probe: str,
    differs: str = "",
    params: Mapping[str, Scalar] | None = None,
) -> tuple[Operation, ...]:
    """One row for each name of the script, the size there, and micro's nearest."""
    rows = []
    for name, size, level in variants:
        nearest = f"{level:,} B" if level != size else ""
        says = "; ".join(filter(None, (nearest, differs)))
        rows.append(Operation(f"{program} {name}", probe, params or {}, level, says))
    return tuple(rows)


def _transfers(program: str, names: str, probe: str, differs: str) -> tuple[Operation, ...]:
    """Of 1, 10 and 100 KiB, as the script has them."""
    levels = ((1, 1024), (10, 16384), (100, 65536))
    variants = [(names.replace("#", f"{kib}k"), kib * _KIB, level) for kib, level in levels]
    return _sizes(program, variants, probe, differs)


def _waits(call: str) -> tuple[Operation, ...]:
    """``call`` is poll or select, of which no descriptor is ready, or a tenth (w) is."""
    near = ((10, 16), (100, 64), (1000, 1024))
    fixed = {"rotation": "fixed"}
    return tuple(
        Operation(
            f"{call} {call}_{kind}{count}",
            f"event.{call}",
            fixed | {"ready": ready},
            level,
            differs=f"{level:,} sockets, {says}",
        )
        for kind, ready, says in (
            ("", "1", "one ready; of libMicro's none is"),
            ("w", "10%", "a tenth can be read; of libMicro's a tenth can be written to"),
        )
        for count, level in near
    )


def _cascade(
    name: str, kind: str, peer: str, alone: tuple[str, Mapping[str, Scalar]] | None
) -> tuple[Operation, ...]:
    """A baton through a ring of locks; a ring of one is two locks that nobody else wants."""
    one = f"cascade_{name} c_{name}_1"
    return (
        Operation(one, *alone, 1, _UNCONTENDED, times=2)
        if alone
        else Operation(one, differs="a ring of one signals itself, and nobody waits"),
        *(
            Operation(
                f"cascade_{name} c_{name}_{tasks}",
                "lock.baton",
                {"kind": kind, "peer": peer},
                tasks,
                differs=f"{tasks} hand-overs, which are one lap; all on one CPU",
                times=tasks,
            )
            for tasks in (10, 200)
        ),
    )


def _messages(letter: str, through: str) -> tuple[Operation, ...]:
    """Of 4 KiB there and back, between two threads and between two processes."""
    return tuple(
        Operation(
            f"pipe pipe_{letter}{kind}4k",
            "ipc.message",
            peer | {"through": through},
            4096,
            differs=_ONE_CPU,
        )
        for kind, peer in (("mt", _THREAD), ("mp", _PEER))
    )


SUITE = Suite(
    "libMicro",
    "µs",
    (
        Operation(
            "getpid, getpid_s", "syscall.getppid", differs="getppid(), which no C library caches"
        ),
        Operation("getenv", differs=_LIBRARY),
        Operation("clock_gettime clock_MONOTONIC", "syscall.clock_gettime", _CLOCK),
        Operation(
            "clock_gettime clock_REALTIME, clock_gettime",
            "syscall.clock_gettime",
            _CLOCK,
            differs="CLOCK_MONOTONIC",
        ),
        *(
            Operation(
                f"clock_gettime clock_{clock.upper()}",
                "syscall.cpu_clock",
                {"clock": clock},
                differs="by syscall()",
            )
            for clock in ("process", "thread")
        ),
        Operation(
            "gettimeofday",
            "syscall.clock_gettime",
            _CLOCK,
            differs="clock_gettime(CLOCK_MONOTONIC)",
        ),
        Operation("log, exp, lrand48", differs=_LIBRARY),
        Operation("memset memset_10", differs="micro run memory.set -p size=10"),
        *_sizes(
            "memset",
            (
                ("memset_256", 256, 256),
                ("memset_1k", 1024, 1024),
                ("memset_4k", 4096, 4096),
                ("memset_10k", 10240, 16384),
                ("memset_1m", _MIB, _MIB),
                ("memset_10m", 10 * _MIB, 4 * _MIB),
            ),
            "memory.set",
            params={"variant": "libc", "alignment": "aligned"},
        ),
        Operation(
            "memset memset_256_u",
            "memory.set",
            {"variant": "libc", "alignment": "misaligned"},
            256,
        ),
        Operation("memset memset_4k_uc", differs="4 KiB not in a cache: memory.set of 64 MiB"),
        Operation(
            "memset memsetP2_10m",
            differs="micro run memory.set -p size=10m -p members=2 -p as=processes",
        ),
        Operation(
            "memrand",
            "memory.latency",
            level=67108864,
            differs="64 MiB, in random order; libMicro goes back by 1 KiB each time",
        ),
        Operation(
            "cachetocache",
            "hardware.core_to_core",
            differs="one line, one way; libMicro's threads take turns at 100 KiB",
        ),
        Operation("isatty isatty_no", "syscall.isatty"),
        Operation("isatty isatty_yes", "syscall.isatty", differs="of a file instead of a terminal"),
        *_sizes(
            "malloc",
            (
                ("malloc_10", 10, 16),
                ("malloc_100", 100, 64),
                ("malloc_1k", 1024, 1024),
                ("malloc_10k", 10240, 16384),
                ("malloc_100k", 102400, 65536),
            ),
            "malloc.size",
            "one at a time; libMicro's ten blocks live together",
        ),
        Operation(
            "malloc mallocT2_10 to mallocT2_100k",
            "malloc.threads",
            {"size": 512},
            2,
            differs="512 B, one at a time",
        ),
        Operation(
            "close close_bad",
            "syscall.close_bad",
            differs="of -1; libMicro's descriptors begin at 1,024",
        ),
        Operation("close close_tmp, close_usr", "fd.open_close", differs="with open()"),
        Operation("close close_zero", "fd.open_close", differs="of a file, with open()"),
        Operation("memcpy memcpy_10", differs="micro run memory.copy -p size=10"),
        *_sizes(
            "memcpy",
            (
                ("memcpy_1k", 1024, 1024),
                ("memcpy_10k", 10240, 16384),
                ("memcpy_1m", _MIB, _MIB),
                ("memcpy_10m", 10 * _MIB, 16 * _MIB),
            ),
            "memory.copy",
            "from memory that was written to; libMicro never writes to its source",
            {"variant": "libc", "alignment": "aligned"},
        ),
        Operation("memmove, atoi, str*", differs=_LIBRARY),
        Operation("getcontext, setcontext", differs=_LIBRARY),
        Operation("mutex mutex_st, mutex_mt", "lock.mutex", {"shared": "private"}, 1, _WORK),
        Operation("mutex mutex_T2", "lock.mutex", {"shared": "private"}, 2, _WORK),
        Operation("longjmp, siglongjmp", differs=_LIBRARY),
        Operation("getrusage", "syscall.getrusage"),
        Operation("times", "syscall.times"),
        Operation("time", "syscall.clock_gettime", _CLOCK, differs="clock_gettime()"),
        Operation("localtime_r, mktime", differs=_LIBRARY),
        *_cascade("mutex", "mutex", "thread", ("lock.mutex", {"shared": "private"})),
        *_cascade("cond", "condition", "thread", None),
        *_cascade("lockf", "fcntl", "process", ("lock.file", _LOCK_BYTE)),
        *_cascade("flock", "flock", "process", ("lock.file", _LOCK_FILE)),
        *_cascade("fcntl", "fcntl", "process", ("lock.file", _LOCK_BYTE)),
        Operation("file_lock", "lock.file", _LOCK_BYTE, 1, differs=_WORK),
        Operation("getsockname", "syscall.of_socket", {"call": "getsockname"}),
        Operation("getpeername", "syscall.of_socket", {"call": "getpeername"}),
        Operation(
            "chdir chdir_tmp, chdir_usr",
            "syscall.chdir",
            differs="to the current directory; libMicro's names have twelve directories",
        ),
        Operation(
            "chdir chgetwd_tmp, chgetwd_usr",
            "syscall.getcwd",
            differs="without chdir(), in /; libMicro's directory is twelve deep",
        ),
        Operation("realpath", differs="a readlink() for each directory of a name"),
        Operation("stat stat_tmp, stat_usr", "syscall.stat", differs=_PATH),
        Operation("fcntl fcntl_tmp, fcntl_usr", "syscall.fcntl"),
        Operation(
            "fcntl_ndelay",
            "syscall.fcntl_set",
            differs="of a Unix socket; libMicro's is a TCP socket, and every second call F_GETFL",
        ),
        Operation("lseek lseek_t8k, lseek_u8k", "syscall.lseek", differs="by 1 B instead of 8 KiB"),
        Operation("open open_tmp, open_usr", "fd.open_close", differs=f"with close(), by {_PATH}"),
        Operation("open open_zero", "fd.open_close", differs="a file, with close()"),
        Operation("dup", "fd.dup_lowest", level=2, differs="with close()"),
        Operation(
            "socket socket_u", "fd.socket_create", {"family": "unix"}, differs="with close()"
        ),
        Operation("socket socket_i", "fd.socket_create", {"family": "tcp"}, differs="with close()"),
        Operation("socketpair", "fd.socketpair", differs="with close() of both"),
        Operation("setsockopt", "syscall.of_socket", {"call": "setsockopt"}, differs="TCP_NODELAY"),
        Operation(
            "bind",
            "port.bind_ephemeral",
            {"protocol": "tcp", "ip": "4"},
            128,
            differs="to port 0 beside 128 others; libMicro's are 200, and the ports are given",
        ),
        Operation(
            "listen", "syscall.of_socket", {"call": "listen"}, differs="of a socket that listens"
        ),
        Operation(
            "connection", "net.connect", {"protocol": "tcp"}, differs="with socket(), all close()"
        ),
        *_waits("poll"),
        *_waits("select"),
        Operation("semop", "lock.sysv_semaphore"),
        Operation("sigaction", "signal.install"),
        Operation("signal", "signal.catch", differs="by tgkill()"),
        Operation(
            "sigprocmask", "signal.mask", times=0.5, differs="half of blocking and unblocking"
        ),
        *(
            Operation(
                f"pthread_create pthread_{count}",
                "thread.create_alive",
                {"stack": "default", "stack_memory": "fresh"},
                count,
                differs=f"beside {count} threads, with a byte that says it runs",
            )
            for count in (16, 32, 64, 128, 256, 512)
        ),
        *(
            Operation(
                f"fork fork_{count}",
                "process.fork_alive",
                {"image": "static"},
                level,
                differs=f"of a static parent, beside {level:,} children, and with a byte that says "
                "it runs",
            )
            for count, level in ((10, 16), (100, 64), (1000, 1024))
        ),
        *(
            Operation(
                f"exit exit_{count}",
                "process.reap",
                {"image": "static"},
                level,
                differs=f"one of {level:,} children is killed and waited for; libMicro's all end",
            )
            for count, level in ((10, 16), (100, 64), (1000, 1024))
        ),
        Operation("exit exit_10_nolibc", "process.reap", {"image": "static"}, 16, "as exit_10"),
        Operation(
            "exec",
            "process.fork_exec",
            _DYNAMIC,
            differs="with fork() and waitpid(); libMicro's program executes itself 10 or 128 times",
        ),
        Operation("execw", "process.fork_exec", _DYNAMIC),
        Operation(
            "execw execw_32n to execw_8192n",
            "process.fork_maps",
            level=8192,
            differs="without execve(), 8,192 maps",
        ),
        Operation(
            "execw execw_32nt to execw_128nt",
            "process.fork_rss",
            {"pages": SMALL_PAGES},
            1 << 30,
            differs="without execve(), 1 GiB in one map",
        ),
        Operation(
            "execw execw_32ntv to execw_8192ntv",
            "process.vfork_exec",
            _DYNAMIC,
            differs="of a small parent",
        ),
        Operation("execw execw_1r to execw_1000r", differs="parents of many threads do not fork"),
        Operation("posix_spawn", "process.posix_spawn", _DYNAMIC),
        Operation(
            "posix_spawn posix_spawn_32n to posix_spawn_8192nt",
            "process.posix_spawn",
            _DYNAMIC,
            differs="of a small parent",
        ),
        Operation("system", differs="measures mostly the shell"),
        Operation("recurse", differs="calls of a function"),
        *_transfers("read", "read_t#, read_u#", "syscall.pread", f"pread() {_MEMORY}"),
        Operation("read read_z1k to read_zw100k", "syscall.read", differs="1 B of /dev/zero"),
        *_transfers("write", "write_t#, write_u#", "syscall.pwrite", f"pwrite() {_MEMORY}"),
        Operation("write write_n1k to write_n100k", "syscall.write", differs="1 B to /dev/null"),
        Operation(
            "writev",
            "net.header_body",
            {"how": "writev"},
            differs="two parts over TCP, with read(); libMicro writes ten to a file",
        ),
        *_transfers("pread", "pread_t#, pread_u#", "syscall.pread", _MEMORY),
        Operation("pread pread_z1k to pread_zw100k", "syscall.read", differs="read() of 1 B"),
        *_transfers("pwrite", "pwrite_t#, pwrite_u#", "syscall.pwrite", _MEMORY),
        Operation("pwrite pwrite_n1k to pwrite_n100k", "syscall.write", differs="write() of 1 B"),
        Operation(
            "mmap mmap_z…, mmap_t…, mmap_u…, mmap_a…",
            "mmap.map",
            level=16,
            differs="one page of a shared file instead of 8 or 128 KiB, beside 16 maps",
        ),
        Operation(
            "mmap mmap_rz…, mmap_rt…, mmap_ru…, mmap_ra…",
            "mmap.touch",
            level=8,
            differs="the first read of one page of a file; mmap() is not timed",
        ),
        *(
            Operation(
                f"mmap mmap_wa{kib}k, mmap_wz{kib}k",
                "mmap.length",
                _ANON,
                kib * _KIB,
                differs="with madvise() and munmap()",
            )
            for kib in (8, 128)
        ),
        Operation("mmap mmap_wt…, mmap_wu…", "mmap.fault_copy", differs="one page, only the fault"),
        Operation(
            "mmap_frag", "mmap.map", level=16384, differs="beside 16,384 maps, all of one page"
        ),
        Operation(
            "munmap unmap_r…",
            "mmap.unmap",
            level=256,
            differs="one page of a file, beside 256 maps",
        ),
        Operation(
            "munmap unmap_z…, unmap_t…, unmap_u…, unmap_a…, unmap_w…",
            differs="micro run mmap.unmap_pages",
        ),
        Operation(
            "munmap_frag unmap_frag",
            "mmap.unmap",
            level=16384,
            differs="beside 16,384 maps, all of one page",
        ),
        Operation(
            "connection conn_connect", "port.connect_ephemeral", {"bind": "none"}, 4, "beside four"
        ),
        Operation(
            "mprotect mprot_…",
            "mmap.protect",
            level=256,
            differs="one page, only to PROT_NONE, beside 256 maps",
        ),
        Operation(
            "msync",
            "syscall.msync",
            differs="1 MiB, shared, of a file in memory: no disk is written to",
        ),
        Operation("pipe pipe_pst1", "ipc.queued", {"through": "pipe"}, 1),
        Operation("pipe pipe_pst4k", "ipc.queued", {"through": "pipe"}, 4096),
        Operation("pipe pipe_fst1", "ipc.queued", {"through": "fifo"}, 1),
        Operation("pipe pipe_fst4k", "ipc.queued", {"through": "fifo"}, 4096),
        Operation("pipe pipe_sst1", "ipc.queued", {"through": "unix"}, 1),
        Operation("pipe pipe_sst4k", "ipc.queued", {"through": "unix"}, 4096),
        Operation("pipe pipe_tst1", "ipc.queued", {"through": "tcp"}, 1),
        Operation("pipe pipe_tst4k", "ipc.queued", {"through": "tcp"}, 4096),
        Operation("pipe pipe_pmt1", "ipc.pipe", _THREAD, differs=_ONE_CPU),
        Operation("pipe pipe_pmp1", "ipc.pipe", _PEER, differs=_ONE_CPU),
        Operation("pipe pipe_fmt1", "ipc.fifo", _THREAD, differs=_ONE_CPU),
        Operation("pipe pipe_fmp1", "ipc.fifo", _PEER, differs=_ONE_CPU),
        Operation("pipe pipe_smt1", "ipc.unix_stream", _THREAD, differs=_ONE_CPU),
        Operation("pipe pipe_smp1", "ipc.unix_stream", _PEER, differs=_ONE_CPU),
        Operation("pipe pipe_tmt1", "net.tcp", _THREAD, 1, differs=_ONE_CPU),
        Operation("pipe pipe_tmp1", "net.tcp", _PEER, 1, differs=_ONE_CPU),
        *_messages("p", "pipe"),
        *_messages("f", "fifo"),
        *_messages("s", "unix"),
        Operation("pipe pipe_tmt4k", "net.tcp", _THREAD, 4096, f"the answer has 1 B; {_ONE_CPU}"),
        Operation("pipe pipe_tmp4k", "net.tcp", _PEER, 4096, f"the answer has 1 B; {_ONE_CPU}"),
        Operation(
            "connection conn_accept",
            "net.accept",
            {"protocol": "tcp"},
            differs="all at one listener; libMicro has one for each, and asks for the address",
        ),
        Operation("close_tcp", "net.connect", {"protocol": "tcp"}, differs="with connect, accept"),
        Operation("atomic", "hardware.atomic_add", level=1),
        Operation("atomic -T 2", "hardware.atomic_add", level=2),
        Operation("sched_yield", "syscall.sched_yield"),
        Operation(
            "sched_yield sched_yieldT4",
            "switch.yield",
            {"peer": "thread"},
            4,
            differs="beside four others, all on one CPU",
        ),
        Operation(
            "nanosleep nanosleep_d100000",
            "timer.overshoot",
            _SLEEP | {"call": "nanosleep"},
            differs=_LATE,
        ),
        Operation(
            "clock_nanosleep clock_nanosleep_d100000",
            "timer.overshoot",
            _SLEEP | {"call": "clock_nanosleep"},
            differs=f"{_LATE}, an absolute one",
        ),
        Operation(
            "nanosleep, clock_nanosleep, usleep",
            differs="1 ns to 10 µs ahead: timer.overshoot is 100 µs ahead",
        ),
        Operation("nop", differs="libMicro's own loop overhead; micro has no counterpart"),
    ),
)
