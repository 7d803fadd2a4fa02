"""A server that holds many connections, by one model of serving them, and its client."""

import errno as errno_names
import os
import time

from libc.stdint cimport INT64_MIN, int64_t, uint64_t

from cyext.core.peers cimport Peers, Program, micro_peers_add, micro_peers_keep
from cyext.core.resources cimport Descriptors, batch_at, level_within
from cyext.core.sentinels cimport Sentinels
from cyext.core.peered cimport PeeredWorkload

from cyext.core.errors import LimitReached, NotSupported, OperationFailed
from cyext.core.kernel_memory import bytes_each, slabs, slabs_and_stacks, task_memory
from cyext.core.limits import more_tasks
from cyext.core.parameters import one_of


cdef extern from "os/event_queue.h" nogil:
    const char *MICRO_QUEUE

cdef extern from "os/cpu_time.h" nogil:
    int64_t micro_process_cpu_ns(int process)

cdef extern from "os/network.h" nogil:
    int AF_INET
    int SOCK_STREAM
    int micro_socket(int family, int type)
    int micro_connect(int fd, int port)
    int micro_connect_from(int fd, int which)

cdef extern from "server/client.h" nogil:
    enum:
        MICRO_SMALL_STACK_BYTES
    ctypedef struct micro_server_answer_t:
        int error
        int port
        char call[24]
    int micro_ask(int fd, const char **call)
    int micro_hear(int fd, const char **call)
    int micro_first_reply(int fd, int port, const char **call)
    int micro_leave(const int *fds, int64_t count)
    bint micro_server_told(int answers, micro_server_answer_t *answer)

IMAGES = {"static": "micro-server-static", "dynamic": "micro-server-dynamic"}
# What a connection takes beside itself: the bytes of a process, or of a thread, at most.
TASK_BYTES = {
    "fork": 150_000,
    "fork_exec": 150_000,
    "prefork": 150_000,
    "thread": MICRO_SMALL_STACK_BYTES,
    "thread_pool": MICRO_SMALL_STACK_BYTES,
}
POOLS = ("prefork", "thread_pool")
# Each connection has a process, which holds its descriptor: the server holds none.
PROCESSES = ("fork", "fork_exec", "prefork")
LOOPS = ("select", "poll", "epoll", "kqueue", "io_uring")
# What a system answers that lacks a model, or forbids it.
LACKING = (errno_names.ENOSYS, errno_names.ENOTSUP, errno_names.EPERM)
# Ports of one loopback address that are used: where few are free, the search for one takes long.
cdef int64_t PORTS_USED = 8192
# Processes that hold connections for the client, at most.
cdef int MOST_HOLDERS = 16
# Connections are weighed in groups; what was closed before is freed after this.
cdef int64_t GROUPS = 3
cdef int64_t GROUP = 500
cdef int64_t GROUP_OF_TASKS = 100
FREEING_S = 0.05


def program(image):
    """Path of the server, linked so."""
    name = one_of(image, IMAGES)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    if not os.path.exists(path):
        raise NotSupported(f"the {image} server was not built: no {image} C library")
    return path


cdef class _Connections(PeeredWorkload):
    """Connections to a server, held open and idle the way of its ``model``.

    The server is a small program, linked as ``image`` says, and runs on the CPU of the client
    (``cpu`` "same") or on another. A connection that is held has had one reply. Where the server
    can hold more connections than one client can, further processes hold the first ones.
    """

    cdef Program server
    cdef Descriptors own      # the client's ends, but for those that `holders` have
    cdef Peers holders
    cdef int64_t away         # connections that these hold
    cdef int64_t fit          # connections that one process may hold, beside a batch
    cdef str model
    cdef object path
    cdef int port
    cdef int64_t most
    cdef int64_t held         # connections, beside those of a batch
    cdef bint has_processes
    cdef int64_t pool         # processes or threads that the server has ready
    cdef int64_t cursor
    cdef micro_server_answer_t answer

    def __cinit__(self, *args, **kwargs):
        self.own = Descriptors()
        self.port = -1

    cdef begin(self, model, image, cpu):
        """Start the server and hold one connection."""
        one_of(image, IMAGES)
        self.peers_on = one_of(cpu, {"same": "same", "other": "other"})
        self.model = model
        self.has_processes = model in PROCESSES
        self.path = program(image)
        if model in ("epoll", "kqueue") and model != MICRO_QUEUE.decode():
            raise NotSupported(f"this system has no {model}")
        elsewhere = self.cpus_of_peers() if cpu == "other" else ()
        # Once for all levels: what is free now depends on what is open.
        self.fit = max(level_within(self.own.room() - 6), 1)
        self.most = self.fit
        if self.has_processes:
            self.most *= MOST_HOLDERS + 1
        try:
            if elsewhere:
                self.sentinels = Sentinels(elsewhere)
            self.start_server()
            if self.has_processes:
                self.holders = Peers("process")
                self.holders.prepare(MOST_HOLDERS)
            self.grow(1)
        except LimitReached as limit:
            self.close()
            raise NotSupported(f"no connection could be held: {limit.reason}") from None
        except BaseException:
            self.close()
            raise

    cdef start_server(self):
        """A server without a connection. Raises `NotSupported` and `OperationFailed`."""
        self.server = Program(self.path, self.model)
        self.server.reads = self.model in POOLS
        self.server.follow(self.cpus_of_peers() or range(os.cpu_count() or 1))
        self.pool = 0
        self.take_answer()
        self.port = self.answer.port

    cdef take_answer(self):
        cdef int status = self.server.read_whole(&self.answer, sizeof(self.answer))
        call = self.answer.call.decode() if status == 0 else "server"
        error = self.answer.error if status == 0 else -status
        if error in LACKING and call.startswith("io_uring"):
            raise NotSupported(f"{call}: {errno_names.errorcode[error]}")
        if error:
            raise OperationFailed(call, error, 0)

    cdef end_server(self):
        """Leave all connections, then end the server; nothing where there is none."""
        cdef int64_t count = self.own.count
        if self.server is None:
            return
        with nogil:
            micro_leave(self.own.fds, count)
            self.own.close_down_to(0)
        # Before the server: they have inherited the pipe whose end it waits for.
        if self.holders is not None:
            micro_peers_keep(&self.holders.group, 0)
        self.away = 0
        self.server.close()

    cdef int64_t server_failed(
            self, const char *call, int64_t error, uint64_t after) noexcept nogil:
        """A call on a connection failed, perhaps because the server did: `fail` with the cause."""
        if self.server.answers >= 0 and micro_server_told(self.server.answers, &self.answer):
            return self.fail(self.answer.call, self.answer.error, after)
        return self.fail(call, error, after)

    cdef int64_t others_ns(self) noexcept nogil:
        """As `Workload.others_ns`, the server's time taken off; unknown where it has processes."""
        cdef int64_t others = PeeredWorkload.others_ns(self)
        cdef int64_t served = -1 if self.has_processes else micro_process_cpu_ns(self.server.pid)
        return INT64_MIN if others == INT64_MIN or served < 0 else others - served

    cdef have_pool(self, int64_t wanted):
        """Let a server with a pool have so many processes or threads at least."""
        cdef int status
        if self.model not in POOLS or wanted <= self.pool:
            return
        status = self.server.write_whole(&wanted, sizeof(wanted))
        if status:
            raise OperationFailed("write", -status, 0)
        self.take_answer()
        self.pool = wanted

    cdef int64_t add_socket(self, uint64_t after) noexcept nogil:
        cdef int fd = micro_socket(AF_INET, SOCK_STREAM)
        if fd < 0:
            return self.fail(b"socket", -fd, after)
        self.own.push(fd)
        cdef int64_t before = self.away + self.own.count - 1
        if before >= PORTS_USED:
            fd = micro_connect_from(fd, <int>(before // PORTS_USED))
            if fd:
                return self.fail(b"bind", -fd, after)
        return 0

    cdef int64_t hold(self, int64_t goal) noexcept nogil:
        """Have so many connections, each of which has had a reply."""
        cdef const char *call = NULL
        cdef int64_t status = self.leave_down_to(goal - self.away)
        while status == 0 and self.away + self.own.count < goal:
            if self.own.count == self.fit:
                status = self.hand_over()
                if status:
                    break
            status = self.add_socket(self.own.count)
            if status == 0:
                status = micro_first_reply(self.own.fds[self.own.count - 1], self.port, &call)
                if status:
                    status = self.server_failed(call, -status, self.own.count - 1)
        return status

    cdef int64_t hand_over(self) noexcept nogil:
        """Leave all connections of this process to a new child."""
        cdef int status = micro_peers_add(&self.holders.group)
        if status:
            return self.fail(self.holders.group.call, -status, 0)
        self.away += self.own.count
        self.own.close_down_to(0)
        return 0

    cdef int64_t leave_down_to(self, int64_t count) noexcept nogil:
        """Leave the newest connections; what served them has ended then."""
        cdef int status
        if self.own.count <= count:
            return 0
        status = micro_leave(self.own.fds + count, self.own.count - count)
        self.own.close_down_to(count)
        return self.fail(b"shutdown", -status, 0) if status else 0

    cdef have(self, int64_t goal):
        """Hold so many connections, by a pool that has some to spare. Raises `OperationFailed`."""
        cdef int64_t batch = self.largest_batch(goal)
        cdef int64_t status
        self.own.reserve(min(goal, self.fit) + batch)
        self.have_pool(goal + batch)
        with nogil:
            status = self.hold(goal)
        if status:
            raise self.failure(status)
        self.held = goal

    cdef int64_t largest_batch(self, int64_t level) noexcept nogil:
        return min(batch_at(level), batch_at(self.fit))

    cdef restart(self, int64_t goal):
        """A new server, with so many connections."""
        self.end_server()
        self.start_server()
        self.have(goal)

    def limit(self):
        """The highest level that may be asked for, and the limit's name."""
        most, reason = self.most, self.own.limit_reason()
        if self.has_processes:
            reason += f" in each of {MOST_HOLDERS + 1} processes"
        else:
            reason += " of the server and of its client"
        if self.model in TASK_BYTES:
            tasks, why = more_tasks(TASK_BYTES[self.model])
            tasks = level_within(max(tasks, 0) + self.held)
            if tasks < most:
                return max(tasks, 1), why
        return most, reason

    cdef settle(self, uint64_t wanted):
        """Hold so many connections, or as many as can be had: why there are fewer, or None."""
        most, reason = self.limit()
        cdef int64_t goal = min(wanted, most)
        cdef int64_t before = self.held
        try:
            if goal < before and self.model in TASK_BYTES:
                self.restart(goal)  # no task is left that a smaller one would not have
            else:
                self.have(goal)
        except OperationFailed as error:
            if before == 0:
                raise
            reason = error.reason
            # The server may have ended with it.
            goal = max(
                min(self.away + self.own.count - 1, goal) - 16 - batch_at(goal),
                min(before, goal), 1)
            self.restart(goal)
        return reason if self.held < <int64_t>min(wanted, <uint64_t>1 << 62) else None

    def grow(self, uint64_t level):
        """Hold ``level`` connections."""
        reason = self.settle(level)
        self.level = self.held
        self.max_batch = self.largest_batch(self.held)
        if reason is not None:
            raise LimitReached(self.level, reason)

    def moved(self, cpus):
        """Let the server and all of its tasks follow."""
        PeeredWorkload.moved(self, cpus)
        pid = self.server.pid
        if pid <= 0:
            return
        self.server.follow(self.cpus_of_peers())
        if self.model not in TASK_BYTES:
            return
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
            with open(f"/proc/{pid}/task/{pid}/children") as file:
                tasks += file.read().split()
        except OSError:
            return self.restart(self.held)  # made anew, they are where the server is
        for task in tasks:
            try:
                os.sched_setaffinity(int(task), self.cpus_of_peers())
            except OSError:
                pass  # it has ended meanwhile

    def counts(self):
        """With the bytes that a connection takes of the kernel and of the server's tasks.

        ``kernel_bytes_per_connection`` and ``user_bytes_per_connection``, where the system tells.
        """
        cdef int64_t before = self.held
        found = PeeredWorkload.counts(self)
        most, _reason = self.limit()
        if most >= before + GROUPS * self.group():
            found.update(self.weighed())
            self.settle(before)
        return found

    cdef int64_t group(self):
        return GROUP_OF_TASKS if self.model in TASK_BYTES else GROUP

    cdef dict weighed(self):
        """What a connection takes, by the name of the count: some groups more are held for it."""
        cdef int64_t group = self.group()
        kernel_memory = slabs_and_stacks if self.model in TASK_BYTES else slabs
        time.sleep(FREEING_S)
        snapshots = [kernel_memory()]
        before = task_memory(self.server.pid)
        if snapshots[0] is None and before is None:
            return {}
        for _ in range(GROUPS):
            self.have(self.held + group)
            snapshots.append(kernel_memory())
        after = task_memory(self.server.pid)
        if before is None or after is None:
            return {}
        written, tables = [
            max(now - then, 0) / (GROUPS * group) for then, now in zip(before, after)]
        found = {"user_bytes_per_connection": written}
        if None not in snapshots:
            found["kernel_bytes_per_connection"] = bytes_each(snapshots, group) + tables
        return found

    def close(self):
        """Leave all connections, end the server."""
        PeeredWorkload.close(self)
        self.end_server()
        if self.holders is not None:
            self.holders.close()
        self.own.close_down_to(0)


cdef class FirstReply(_Connections):
    """One operation: a client connects, sends a request and receives the reply.

    ``until`` "connect" ends it when connect() returns; the rest follows after the batch. Sockets
    are made before a batch and closed after it, so a batch adds to the level.
    """

    cdef bint connects_only

    def __init__(self, model="epoll", image="static", cpu="same", until="reply"):
        self.connects_only = one_of(until, {"reply": False, "connect": True})
        self.begin(one_of(model, {name: name for name in (*TASK_BYTES, *LOOPS)}), image, cpu)

    cdef int64_t prepare(self, uint64_t n) noexcept nogil:
        cdef int64_t status = 0
        cdef uint64_t i
        self.cursor = self.own.count
        for i in range(n):
            status = self.add_socket(i)
            if status:
                break
        return status

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef const char *call = b"connect"
        cdef uint64_t i
        cdef int status
        for i in range(n):
            if self.connects_only:
                status = micro_connect(self.own.fds[self.cursor], self.port)
            else:
                status = micro_first_reply(self.own.fds[self.cursor], self.port, &call)
            if status:
                return self.server_failed(call, -status, i)
            self.cursor += 1
        return 0

    cdef int64_t restore(self, uint64_t n) noexcept nogil:
        cdef const char *call = NULL
        cdef int64_t status = 0
        cdef int64_t i
        if self.connects_only:
            for i in range(self.held - self.away, self.cursor):
                status = micro_ask(self.own.fds[i], &call)
                if status == 0:
                    status = micro_hear(self.own.fds[i], &call)
                if status:
                    status = self.server_failed(call, -status, n)
                    break
        cdef int64_t left = self.leave_down_to(self.held - self.away)
        return status if status else left


cdef class ActiveConnections(_Connections):
    """One operation: a request on a connection and its reply, beside ``level`` idle connections.

    ``active`` clients send their requests one after the other, then receive the replies: a batch
    should be many times as long.
    """

    cdef int64_t active     # as many as were asked for
    cdef int64_t together   # and as many as there are
    cdef int64_t step

    def __init__(self, model="epoll", active=1, image="static", cpu="same"):
        if not 1 <= active <= 4096:
            raise ValueError(f"not a value of this parameter: {active!r}")
        self.active = active
        self.begin(one_of(model, {name: name for name in LOOPS}), image, cpu)

    def grow(self, uint64_t level):
        """Hold ``level`` idle connections, and the active ones."""
        reason = self.settle(min(level, <uint64_t>1 << 40) + self.active)
        self.together = max(min(self.active, self.held - 1), 1)
        self.step = self.held // self.together  # the active ones are spread over all
        self.level = max(self.held - self.active, 1)
        if reason is not None:
            raise LimitReached(self.level, reason)

    cdef int64_t loop(self, uint64_t n) noexcept nogil:
        cdef const char *call = NULL
        cdef uint64_t done = 0
        cdef int64_t i, together
        cdef int status
        while done < n:
            together = min(self.together, <int64_t>(n - done))
            for i in range(together):
                status = micro_ask(self.own.fds[i * self.step], &call)
                if status:
                    return self.server_failed(call, -status, done)
            for i in range(together):
                status = micro_hear(self.own.fds[i * self.step], &call)
                if status:
                    return self.server_failed(call, -status, done)
                done += 1
        return 0
