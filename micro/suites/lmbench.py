"""lmbench 3: its programs in the order of its summary, the rest beside their like."""

from micro.suites.suite import Operation, Suite

_FILE = "4 MiB; lmbench also sums up the bytes"
_CONNECT = "ends when the peer has accepted and closed; lmbench waits for connect() only"
_FS = "the time of one, on tmpfs; lmbench prints files per second, and uses the current directory"
_PEER = {"peer": "process", "cpu": "same"}
_WORDS = "every word; rd and wr take one in four"

SUITE = Suite(
    "lmbench 3 (McVoy and Staelin 1996)",
    "µs",
    (
        Operation("lat_syscall null", "syscall.getppid"),
        Operation("lat_syscall read", "syscall.read"),
        Operation("lat_syscall write", "syscall.write"),
        Operation("lat_syscall stat", "syscall.stat"),
        Operation("lat_syscall fstat", "syscall.fstat"),
        Operation("lat_syscall open", "fd.open_close"),
        Operation(
            "lat_select 64 fd",
            "event.select",
            level=64,
            differs="one of 64 is ready; lmbench passes the number of descriptors instead of the "
            "highest plus one, so that select looks at fewer",
        ),
        Operation("lat_select file", differs="files are always ready: no waiting is measured"),
        Operation("lat_sig install", "signal.install"),
        Operation("lat_sig catch", "signal.catch", differs="tgkill() to the thread"),
        Operation("lat_proc procedure", differs="depends on the compiler, not on the system"),
        Operation("lat_proc fork", "process.fork_exit", {"image": "dynamic"}),
        Operation("lat_proc exec", "process.fork_exec", {"image": "dynamic", "program": "dynamic"}),
        Operation("lat_proc shell", differs="measures mostly the shell"),
        Operation(
            "lat_pmake", differs="runs parallel jobs; sched.hackbench comes nearest, with messages"
        ),
        Operation("lat_ops, par_ops, lat_rand", differs="arithmetic of the processor"),
        Operation("mhz", "cpu.chain", unit="ns", differs="a multiply-add, some four cycles"),
        Operation(
            "lat_ctx 2",
            "switch.ring",
            {"peer": "process"},
            2,
            differs="the pipe is part of it; lmbench subtracts a pipe's time, and drops negative "
            "results",
        ),
        Operation("lat_ctx 8", "switch.ring", {"peer": "process"}, 8, differs="with the pipe"),
        Operation(
            "lat_ctx -s 32 8",
            "switch.working_set",
            {"peer": "process", "tasks": 8},
            32768,
            differs="with the pipe; the time that one task alone needs to touch it is subtracted",
        ),
        Operation("lat_pipe", "ipc.pipe", _PEER, differs="both on one CPU"),
        Operation("lat_fifo", "ipc.fifo", _PEER, differs="both on one CPU"),
        Operation("lat_unix", "ipc.unix_stream", _PEER, differs="both on one CPU"),
        Operation(
            "lat_unix_connect", "net.connect_peer", {"protocol": "unix", **_PEER}, differs=_CONNECT
        ),
        Operation("lat_udp", "net.udp", _PEER, 1, differs="1 B instead of 4 B, both on one CPU"),
        Operation("lat_rpc", differs="SunRPC is not measured"),
        Operation("lat_tcp", "net.tcp", _PEER, 1, differs="1 B instead of 4 B, both on one CPU"),
        Operation(
            "lat_connect", "net.connect_peer", {"protocol": "tcp", **_PEER}, differs=_CONNECT
        ),
        Operation("lat_http, lmhttp", differs="a small web server, more than the system"),
        Operation("lat_fs create 0k", "file.create", {"fs": "tmpfs", "size": "0"}, differs=_FS),
        Operation("lat_fs delete 0k", "file.delete", {"fs": "tmpfs", "size": "0"}, differs=_FS),
        Operation(
            "lat_fs 1k, 4k, 10k", differs="micro run file.create file.delete -p size=1k -p fs=temp"
        ),
        Operation(
            "lat_mmap",
            "mmap.length",
            level=524288,
            differs="512 KiB of memory of its own, each page written, instead of a file",
        ),
        Operation("lat_sig prot", "signal.fault", differs="the handler returns to after the store"),
        Operation(
            "lat_pagefault",
            "mmap.fault_file",
            {"pages": "4k"},
            differs="without the pages around; mmap.fault_around has them",
        ),
        Operation("lat_fcntl", "lock.file", {"kind": "fcntl", "file": "one"}, 2),
        Operation("lat_sem", "ipc.sysv_semaphore", _PEER),
        Operation(
            "lat_usleep",
            "timer.overshoot",
            {"call": "nanosleep", "load": "idle", "slack": "default", "scheduler": "other"},
            differs="only the time after the moment that was asked for",
        ),
        Operation("bw_pipe", "ipc.pipe_bandwidth", level=65536, unit="MB/s"),
        Operation("bw_unix", "ipc.unix_bandwidth", level=65536, unit="MB/s"),
        Operation(
            "bw_tcp",
            "net.tcp_bandwidth",
            level=65536,
            unit="MB/s",
            differs="socket buffers of 128 KiB instead of 1 MiB; both on one CPU",
        ),
        Operation("bw_udp", differs="datagrams that the receiver loses would count as sent"),
        Operation("bw_file_rd", "file.read", level=4194304, unit="MB/s", differs=_FILE),
        Operation(
            "bw_mmap_rd",
            "file.read_mapped",
            {"mapping": "once"},
            4194304,
            unit="MB/s",
            differs="4 MiB, mapped once: lmbench's mmap_only; -p mapping=each maps each time",
        ),
        Operation("lmdd, disk", differs="a disk is not measured: files here are cached"),
        Operation("bw_mem bcopy", "memory.copy", level=67108864, unit="MB/s"),
        Operation(
            "bw_mem cp, fcp",
            "memory.copy",
            {"variant": "loop"},
            67108864,
            unit="MB/s",
            differs="vectors of the processor's width instead of words",
        ),
        Operation(
            "stream copy",
            "memory.copy_threads",
            level=1,
            unit="MB/s",
            differs="32 MiB; STREAM counts bytes read and written, micro the bytes copied",
        ),
        Operation("stream scale, add, triad", differs="arithmetic of the processor"),
        Operation("bw_mem bzero", "memory.set", level=67108864, unit="MB/s"),
        Operation("bw_mem rd, frd", "memory.read", level=67108864, unit="MB/s", differs=_WORDS),
        Operation("bw_mem wr, fwr", "memory.write", level=67108864, unit="MB/s", differs=_WORDS),
        Operation(
            "bw_mem rdwr", differs="reading and writing back, for which there is memory.copy"
        ),
        Operation(
            "lat_mem_rd",
            "memory.latency",
            level=16777216,
            unit="ns",
            differs="16 MiB, in random order",
        ),
        Operation("line, cache", differs="read them off the steps of memory.latency"),
        Operation("lat_dram_page", differs="the gain from open DRAM pages is not measured"),
        Operation("tlb", "hardware.tlb", {"pages": "4k"}, 1024, unit="ns"),
        Operation("par_mem", "hardware.memory_parallelism", level=8, unit="ns"),
    ),
)
