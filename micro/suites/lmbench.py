"""lmbench 3: its programs in the order of its summary, the rest beside their like."""

from cyext.core.page_sizes import SMALL_PAGES
from micro.suites.suite import Operation, Suite
from runners.model.benchmark import Scalar

_PEER = {"peer": "process", "cpu": "same"}
_ONE_CPU = "both on one CPU"
_STREAM = f"{_ONE_CPU}, whose buffers are aligned"
_PATH = "a name without directories; lmbench's path has some (/usr/tmp/lat_fs/lmbench)"
_CONNECT = (
    "ends when the peer has accepted and closed, by a reset; lmbench waits for connect() only, "
    "and leaves TIME_WAIT"
)
_FS = "on tmpfs, in 16 directories, names used before; lmbench's are new, 100 a directory"
_CTX = "with the pipe"
_SETS = "with the pipe; what one task alone needs to touch it is subtracted"
_FILE = "4 MiB; lmbench also sums up the bytes"
_MAPPED = "4 MiB, by vectors"
_VECTORS = "by vectors, on huge pages"
_WORDS = f"every word, {_VECTORS}; lmbench counts all but takes one in four"
_COPIED = "counts the bytes copied; STREAM those read and those written"


def _select(count: int, level: int) -> Operation:
    return Operation(
        f"lat_select -n {count} tcp",
        "event.select",
        {"ready": "1", "rotation": "fixed"},
        level,
        differs=f"one of {level} sockets can be read; lmbench asks whether one socket, under "
        f"{count} descriptors, can be written to, which it always can, and passes {count} instead "
        "of the highest plus one",
    )


def _lat_ctx(kib: int, tasks: int) -> Operation:
    name = f"lat_ctx -s {kib} {tasks}"
    if kib == 0:
        return Operation(name, "switch.ring", {"peer": "process"}, tasks, differs=_CTX)
    sets: dict[str, Scalar] = {"peer": "process", "tasks": tasks}
    return Operation(name, "switch.working_set", sets, 1024 * kib, differs=_SETS)


def _lat_fs(size: str) -> tuple[Operation, ...]:
    params = {"fs": "tmpfs", "size": "0" if size == "0k" else size}
    return tuple(
        Operation(f"lat_fs {does} {size}", f"file.{does}", params, None, _FS, "operations/s")
        for does in ("create", "delete")
    )


SUITE = Suite(
    "lmbench 3 (McVoy and Staelin 1996)",
    "µs",
    (
        Operation("lat_syscall null", "syscall.getppid"),
        Operation("lat_syscall read", "syscall.read"),
        Operation("lat_syscall write", "syscall.write"),
        Operation("lat_syscall stat", "syscall.stat", differs=_PATH),
        Operation("lat_syscall fstat", "syscall.fstat"),
        Operation("lat_syscall open", "fd.open_close", differs=_PATH),
        _select(10, 16),
        _select(100, 64),
        _select(250, 256),
        _select(500, 512),
        Operation("lat_select file", differs="select() of files, which never waits"),
        Operation("lat_sig install", "signal.install"),
        Operation(
            "lat_sig catch",
            "signal.catch",
            differs="with the sending, by tgkill(); lmbench subtracts kill() without a signal",
        ),
        Operation("lat_proc procedure", differs="depends on the compiler, not on the system"),
        Operation("lat_proc fork", "process.fork_exit", {"image": "dynamic"}),
        Operation(
            "lat_proc exec",
            "process.fork_exec",
            {"image": "dynamic", "program": "dynamic"},
            differs="the program leaves at once; lmbench's prints a line",
        ),
        Operation("lat_proc shell", differs="measures mostly the shell"),
        Operation("lat_cmd", differs="the time of any command: of the command, not the system"),
        Operation(
            "lat_pmake", differs="runs parallel jobs; sched.hackbench comes nearest, with messages"
        ),
        Operation("lat_ops, par_ops, lat_rand", differs="arithmetic of the processor"),
        Operation(
            "mhz",
            "cpu.chain",
            unit="ns",
            differs="a multiply-add, some four cycles; lmbench prints MHz",
        ),
        Operation(
            "lat_ctx -s 0 2",
            "switch.ring",
            {"peer": "process"},
            2,
            differs="the pipe is part of it; lmbench subtracts a pipe's time, and drops negative "
            "results",
        ),
        *(_lat_ctx(0, tasks) for tasks in (8, 16, 24, 32, 64, 96)),
        *(_lat_ctx(kib, tasks) for tasks in (2, 8, 16) for kib in (4, 8, 16, 32, 64)),
        Operation("lat_pipe", "ipc.pipe", _PEER, differs=_ONE_CPU),
        Operation("lat_fifo", "ipc.fifo", _PEER, differs=_ONE_CPU),
        Operation("lat_unix", "ipc.unix_stream", _PEER, differs=_ONE_CPU),
        Operation(
            "lat_unix_connect", "net.connect_peer", {"protocol": "unix", **_PEER}, differs=_CONNECT
        ),
        Operation("lat_udp", "net.udp", _PEER, 1, differs=f"1 B instead of 4 B, {_ONE_CPU}"),
        Operation("lat_rpc", differs="SunRPC is not measured"),
        Operation("lat_tcp", "net.tcp", _PEER, 1, differs=_ONE_CPU),
        Operation(
            "lat_connect", "net.connect_peer", {"protocol": "tcp", **_PEER}, differs=_CONNECT
        ),
        Operation("lat_http, lmhttp", differs="a small web server, more than the system"),
        *(row for size in ("0k", "1k", "4k", "10k") for row in _lat_fs(size)),
        Operation(
            "lat_mmap",
            "mmap.length",
            {"pages": SMALL_PAGES},
            524288,
            differs="128 pages of memory, each written; lmbench writes one page in forty of a "
            "file: as many of 20 MiB",
        ),
        Operation(
            "lat_sig prot",
            "signal.fault",
            differs="with the signal, which lmbench subtracts; the handler returns to after the "
            "store",
        ),
        Operation(
            "lat_pagefault",
            "mmap.fault_file",
            {"pages": SMALL_PAGES},
            differs="each page by a fault of its own; lmbench reads all pages of a file, most of "
            "which a fault nearby has mapped (mmap.fault_around), and unmaps them",
        ),
        Operation(
            "lat_fcntl",
            "lock.baton",
            {"kind": "fcntl", "peer": "process"},
            2,
            differs=f"two locks each way, where lmbench has one; {_ONE_CPU}",
        ),
        Operation(
            "lat_sem",
            "ipc.sysv_semaphore",
            _PEER,
            times=0.5,
            differs=f"half a round trip, two calls where lmbench has one; {_ONE_CPU}",
        ),
        Operation(
            "lat_usleep -u nanosleep",
            "timer.overshoot",
            {"call": "nanosleep", "load": "idle", "slack": "default", "scheduler": "other"},
            differs="only the time after the moment that was asked for, 100 µs ahead",
        ),
        Operation(
            "lat_usleep -u usleep, select, pselect, itimer",
            differs="the same timer of the system; timer.overshoot has four other calls",
        ),
        Operation("bw_pipe", "ipc.pipe_bandwidth", _PEER, 65536, _STREAM, "MB/s"),
        Operation("bw_unix", "ipc.unix_bandwidth", _PEER, 65536, _STREAM, "MB/s"),
        *(
            Operation(f"bw_tcp -m {size}", "net.tcp_bandwidth", _PEER, size, _ONE_CPU, "MB/s")
            for size in (1, 64, 128, 256, 512, 1024, 1437)
        ),
        Operation(
            "bw_tcp -m 10M",
            "net.tcp_bandwidth",
            _PEER,
            65536,
            "64 KiB a message; socket buffers of 128 KiB instead of 1 MiB; both on one CPU",
            "MB/s",
        ),
        Operation("bw_udp", differs="datagrams that the receiver loses would count as sent"),
        Operation("bw_file_rd io_only", "file.read", level=4194304, unit="MB/s", differs=_FILE),
        Operation(
            "bw_file_rd open2close",
            "file.read",
            level=4194304,
            unit="MB/s",
            differs=f"{_FILE}, and opens and closes the file",
        ),
        Operation(
            "bw_mmap_rd mmap_only",
            "file.read_mapped",
            {"mapping": "once"},
            4194304,
            unit="MB/s",
            differs=_MAPPED,
        ),
        Operation(
            "bw_mmap_rd open2close",
            "file.read_mapped",
            {"mapping": "each"},
            4194304,
            unit="MB/s",
            differs=f"{_MAPPED}; lmbench also opens and closes the file",
        ),
        Operation("lmdd, disk, flushdisk", differs="no disk is measured: files here are cached"),
        Operation(
            "bw_mem bcopy", "memory.copy", level=67108864, unit="MB/s", differs="on huge pages"
        ),
        Operation(
            "bw_mem fcp",
            "memory.copy",
            {"variant": "loop"},
            67108864,
            unit="MB/s",
            differs=_VECTORS,
        ),
        Operation(
            "bw_mem cp",
            "memory.copy",
            {"variant": "loop"},
            67108864,
            unit="MB/s",
            differs=_WORDS,
        ),
        Operation(
            "bw_mem bzero", "memory.set", level=67108864, unit="MB/s", differs="on huge pages"
        ),
        Operation("bw_mem frd", "memory.read", level=67108864, unit="MB/s", differs=_VECTORS),
        Operation("bw_mem rd", "memory.read", level=67108864, unit="MB/s", differs=_WORDS),
        Operation("bw_mem fwr", "memory.write", level=67108864, unit="MB/s", differs=_VECTORS),
        Operation("bw_mem wr", "memory.write", level=67108864, unit="MB/s", differs=_WORDS),
        Operation(
            "bw_mem rdwr", differs="reading and writing back, for which there is memory.copy"
        ),
        Operation(
            "stream copy",
            "memory.copy_threads",
            {"variant": "libc"},
            1,
            unit="MB/s",
            differs=f"32 MiB; {_COPIED}",
        ),
        Operation(
            "stream scale, add, triad",
            differs="they add arithmetic, and a third array, to a copy",
        ),
        Operation(
            "stream -v 2 fill", "memory.write", level=67108864, unit="MB/s", differs=_VECTORS
        ),
        Operation("stream -v 2 sum", "memory.read", level=67108864, unit="MB/s", differs=_VECTORS),
        Operation("stream -v 2 daxpy", differs="as stream triad"),
        Operation(
            "lat_mem_rd",
            "memory.latency",
            level=16777216,
            unit="ns",
            differs="16 MiB, in random order; lmbench goes back by a stride, unless with -t",
        ),
        Operation("cache", differs="read it off the steps of memory.latency"),
        Operation("line", differs="the length of a line is not measured: 64 B are assumed"),
        Operation("lat_dram_page", differs="the gain from open DRAM pages is not measured"),
        Operation(
            "tlb",
            "hardware.tlb",
            {"pages": SMALL_PAGES},
            1024,
            unit="ns",
            differs="a load from one of 1,024 pages; lmbench prints the number of pages from which "
            "on it takes longer",
        ),
        Operation(
            "par_mem",
            "hardware.memory_parallelism",
            level=8,
            unit="ns",
            differs="a load of eight chains; lmbench prints how many loads run at once, the time "
            "with one chain divided by the least",
        ),
        Operation(
            "enough, hello, loop_o, memsize, msleep, timing_o",
            differs="lmbench's own helpers",
        ),
    ),
)
