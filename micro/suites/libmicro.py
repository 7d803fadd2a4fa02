"""libMicro: its programs, in the order in which its script runs them; the rest at the end."""

from micro.suites.suite import Operation, Suite

_PEER = {"peer": "process", "cpu": "same"}
_ALONE = "one hand-over; libMicro's members wait for each other in a chain"
_STRING = "functions of the C library"

SUITE = Suite(
    "libMicro",
    "µs",
    (
        Operation("getpid", "syscall.getppid", differs="getppid(), which no C library caches"),
        Operation("gettimeofday", "syscall.clock_gettime", {"by": "library"}),
        Operation("memset", "memory.set", level=16384, differs="16 KiB"),
        Operation("memrand", "memory.latency", level=67108864, differs="from 64 MiB"),
        Operation("cachetocache", "hardware.core_to_core", differs="one line, there and back"),
        Operation("malloc", "malloc.size", level=512, differs="512 B, with free()"),
        Operation("close", "fd.open_close", differs="with open()"),
        Operation("memcpy", "memory.copy", level=16384, differs="16 KiB"),
        Operation("mem*, str*", differs=_STRING),
        Operation(
            "getcontext, getenv, longjmp, mktime, realpath, recurse, siglongjmp",
            differs=_STRING,
        ),
        Operation("nop", differs="libMicro's own loop overhead; micro has no counterpart"),
        Operation("mutex", "lock.mutex", {"shared": "private"}, 1),
        Operation("getrusage", "syscall.getrusage"),
        Operation("times", "syscall.times"),
        Operation("time", "syscall.clock_gettime", {"by": "library"}, differs="clock_gettime()"),
        Operation("cascade_mutex", "lock.mutex", {"shared": "private"}, 2, differs=_ALONE),
        Operation("cascade_cond", "lock.condition_wake", {"wake": "one"}, 1, differs=_ALONE),
        Operation(
            "cascade_flock", "lock.file", {"kind": "flock", "file": "one"}, 2, differs=_ALONE
        ),
        Operation(
            "cascade_fcntl", "lock.file", {"kind": "fcntl", "file": "one"}, 2, differs=_ALONE
        ),
        Operation(
            "cascade_lockf",
            "lock.file",
            {"kind": "fcntl", "file": "one"},
            2,
            differs="lockf() is fcntl(); " + _ALONE,
        ),
        Operation("file_lock", "lock.file", {"kind": "fcntl", "file": "one"}, 1),
        Operation("chdir", "syscall.chdir", differs="to the current directory"),
        Operation("stat", "syscall.stat"),
        Operation("fcntl", "syscall.fcntl"),
        Operation("isatty", "syscall.isatty", differs="of a file; libMicro also of a terminal"),
        Operation("lseek", "syscall.lseek"),
        Operation("open", "fd.open_close", differs="with close()"),
        Operation("dup", "fd.dup_lowest", level=8, differs="with close(), beside 8 descriptors"),
        Operation("socket", "fd.socket_create", {"family": "tcp"}, differs="with close()"),
        Operation("socketpair", "fd.socketpair", differs="with close()"),
        Operation("setsockopt", "syscall.of_socket", {"call": "setsockopt"}, differs="TCP_NODELAY"),
        Operation("getsockname", "syscall.of_socket", {"call": "getsockname"}),
        Operation("getpeername", "syscall.of_socket", {"call": "getpeername"}),
        Operation("bind", "port.bind_ephemeral", {"protocol": "tcp", "ip": "4"}, 8),
        Operation(
            "listen", "syscall.of_socket", {"call": "listen"}, differs="of a socket that listens"
        ),
        Operation("close_tcp", "net.connect", {"protocol": "tcp"}, differs="with connect, accept"),
        Operation("connection", "net.connect", {"protocol": "tcp"}, differs="with all close()"),
        Operation("poll", "event.poll", level=16, differs="one of 16 is ready"),
        Operation("select", "event.select", level=16, differs="one of 16 is ready"),
        Operation("semop", "ipc.sysv_semaphore", _PEER, differs="there and back"),
        Operation("sigaction", "signal.install"),
        Operation("signal", "signal.catch"),
        Operation("sigprocmask", "signal.mask", differs="block and unblock"),
        Operation(
            "pthread_create", "thread.create_join", {"stack": "default"}, differs="with join"
        ),
        Operation("exit, fork", "process.fork_exit", {"image": "dynamic"}, differs="together"),
        Operation("exec", "process.fork_exec", {"image": "dynamic", "program": "dynamic"}),
        Operation("posix_spawn", "process.posix_spawn", {"image": "dynamic", "program": "dynamic"}),
        Operation("system", differs="measures mostly the shell"),
        Operation("read", "syscall.read", differs="1 B of /dev/zero"),
        Operation("write", "syscall.write", differs="1 B to /dev/null"),
        Operation("writev", "net.header_body", {"how": "writev"}, differs="over TCP, with read()"),
        Operation("pread", "syscall.pread", level=1, differs="1 B"),
        Operation("pwrite", "syscall.pwrite", level=1, differs="1 B"),
        Operation("mmap", "mmap.map", level=16, differs="one page, beside 16 maps"),
        Operation("munmap", "mmap.unmap", level=256, differs="one page, beside 256 maps"),
        Operation("mprotect", "mmap.protect", level=256, differs="one page, beside 256 maps"),
        Operation("pipe (pipe, processes)", "ipc.pipe", _PEER),
        Operation("pipe (pipe, threads)", "ipc.pipe", _PEER | {"peer": "thread"}),
        Operation("pipe (fifo, processes)", "ipc.fifo", _PEER),
        Operation("pipe (sock, processes)", "ipc.unix_stream", _PEER),
        Operation("pipe (tcp, processes)", "net.tcp", _PEER, 1),
        Operation("atomic", "hardware.atomic_add", level=1, differs="one thread"),
        Operation("msync", "syscall.msync", differs="a file in memory: no disk is written to"),
    ),
)
