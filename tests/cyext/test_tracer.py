"""The system-call counter: what it counts, what it makes fail, and that it leaves nobody alive."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from held import has_children

from cyext.core.tracer import call_names, trace

SECONDS = 120
#: Marks its places as os/mark.h does.
PRELUDE = """
import ctypes, os, signal, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def mark(place):
    libc.prctl(0x6d69636d, place, 0, 0, 0)
def loop():
    mark(1)
def done():
    mark(2)
def arm():
    mark(3)
def disarm():
    mark(4)
def tell(*words):
    os.write(1, " ".join(map(str, words)).encode() + b"\\n")
"""

A_THREAD_RUNS_A_PROGRAM = """
loop()
run = lambda: os.execv('/bin/sh', ['sh', '-c', 'exit 3'])
threading.Thread(target=run).start()
time.sleep(600)
"""

Traced = Callable[..., dict[str, Any]]


def run(argv: list[str], seconds: int = SECONDS, fault: Any = None) -> dict[str, Any]:
    """What the tracer tells of a command, and its ``output``."""
    with tempfile.TemporaryFile() as output:
        try:
            record: dict[str, Any] = trace(argv, dict(os.environ), output.fileno(), seconds, fault)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOSYS, errno.EIO):
                pytest.skip(str(error))
            raise
        output.seek(0)
        return record | {"output": output.read().decode().split()}


@pytest.fixture
def traced() -> Traced:
    """Runs a Python program under the tracer; afterwards no child is left."""

    def script(program: str, **how: Any) -> dict[str, Any]:
        record = run([sys.executable, "-I", "-S", "-c", PRELUDE + program], **how)
        assert not has_children()
        return record

    return script


# Counting


def test_calls_between_the_marks_are_counted(traced: Traced) -> None:
    record = traced("os.getppid(); loop(); [os.getppid() for _ in range(7)]; done(); os.getppid()")
    assert record["in_loop"]["getppid"] == 7
    assert (record["exit_code"], record["signal"], record["left_over"]) == (0, None, 0)
    assert "prctl" not in record["in_loop"]


def test_a_loop_without_calls_counts_none(traced: Traced) -> None:
    assert traced("loop(); done()")["in_loop"] == {}


def test_calls_while_armed_are_counted_apart(traced: Traced) -> None:
    record = traced(
        "arm(); os.getppid(); loop(); os.getppid(); done(); os.getppid(); disarm(); os.getppid()"
    )
    assert record["in_loop"]["getppid"] == 1
    assert record["armed"]["getppid"] == 3


def test_a_failed_call_counts(traced: Traced) -> None:
    record = traced("loop(); libc.close(-1); libc.close(-1); done()")
    assert record["in_loop"]["close"] == 2


def test_children_born_in_the_loop_are_counted_with_it(traced: Traced) -> None:
    record = traced(
        "loop()\n"
        "for _ in range(3):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os.getppid(); os.getppid(); os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
        "done()\n"
    )
    assert record["in_loop"]["getppid"] == 6
    assert record["in_loop"].get("fork", 0) + record["in_loop"].get("clone", 0) == 3
    # Waiting is one call, however often the child's end interrupts it.
    assert record["in_loop"]["wait4"] == 3


def test_children_born_before_the_loop_are_not(traced: Traced) -> None:
    record = traced(
        "ask, answer = os.pipe(), os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.read(ask[0], 1); os.getppid(); os.write(answer[1], b'x'); os._exit(0)\n"
        "loop(); os.write(ask[1], b'x'); os.read(answer[0], 1); done()\n"
        "os.waitpid(child, 0)\n"
    )
    assert "getppid" not in record["in_loop"]
    assert (record["in_loop"]["write"], record["in_loop"]["read"]) == (1, 1)


def test_threads_born_in_the_loop_are_counted_with_it(traced: Traced) -> None:
    record = traced(
        "loop(); t = threading.Thread(target=os.getppid); t.start(); t.join(); done()\n"
    )
    assert record["in_loop"]["getppid"] == 1


def test_a_thread_outside_the_loop_is_not_counted(traced: Traced) -> None:
    record = traced(
        "go = threading.Event(); said = threading.Event()\n"
        "def other():\n"
        "    go.wait(); os.getppid(); said.set()\n"
        "t = threading.Thread(target=other); t.start()\n"
        "loop(); go.set(); said.wait(); done(); t.join()\n"
    )
    assert "getppid" not in record["in_loop"]


def test_a_spawned_program_is_counted_with_the_loop(traced: Traced) -> None:
    record = traced(
        "loop(); child = os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 7'], {}); "
        "status = os.waitpid(child, 0)[1]; done(); tell(os.WEXITSTATUS(status))"
    )
    assert record["output"] == ["7"]
    assert record["in_loop"]["execve"] == 1
    # The end of the spawned program counts; that of the command comes after the loop.
    assert record["in_loop"]["exit_group"] == 1


def test_a_thread_that_runs_another_program_is_followed(traced: Traced) -> None:
    record = traced(A_THREAD_RUNS_A_PROGRAM)
    assert (record["exit_code"], record["left_over"]) == (3, 0)
    assert record["in_loop"]["execve"] == 1


@pytest.fixture
def heard() -> Iterator[None]:
    """This process handles SIGCHLD, and the signal interrupts what it waits for."""
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.siginterrupt(signal.SIGCHLD, True)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("heard")
def test_where_ends_of_children_are_handled_the_command_goes_on(traced: Traced) -> None:
    # The end of the first thread, which the program replaces, is told before it can be waited for.
    record = traced(A_THREAD_RUNS_A_PROGRAM)
    assert (record["exit_code"], record["left_over"]) == (3, 0)


@pytest.mark.usefixtures("heard")
def test_the_end_of_another_child_does_not_end_the_command() -> None:
    other = subprocess.Popen(["sleep", "0.3"])
    record = run([sys.executable, "-I", "-S", "-c", f"{PRELUDE}time.sleep(1.5); tell('on')"])
    assert other.wait() == 0
    assert (record["exit_code"], record["output"]) == (0, ["on"])


def test_signals_reach_the_command(traced: Traced) -> None:
    record = traced(
        "signal.signal(signal.SIGUSR1, lambda *_: tell('heard'))\n"
        "os.kill(os.getpid(), signal.SIGUSR1); tell('on')\n"
    )
    assert record["output"] == ["heard", "on"]


def test_a_call_that_a_signal_makes_start_again_is_one_call(traced: Traced) -> None:
    # A signal that means nothing to the command, while it waits for a byte.
    record = traced(
        "ends = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    time.sleep(0.2)\n"
        "    os.kill(os.getppid(), signal.SIGURG)\n"
        "    time.sleep(0.2)\n"
        "    os.write(ends[1], b'x')\n"
        "    os._exit(0)\n"
        "loop(); os.read(ends[0], 1); done(); os.wait()\n"
    )
    assert record["in_loop"] == {"read": 1}


def test_a_stopped_command_goes_on(traced: Traced) -> None:
    record = traced("os.kill(os.getpid(), signal.SIGTSTP); tell('on')")
    assert (record["output"], record["exit_code"]) == (["on"], 0)


def test_children_that_are_killed_in_the_middle_of_a_call_do_no_harm(traced: Traced) -> None:
    record = traced(
        "loop()\n"
        "for _ in range(40):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        while True:\n"
        "            os.getppid()\n"
        "    os.kill(child, signal.SIGKILL)\n"
        "    os.waitpid(child, 0)\n"
        "done()\n"
    )
    assert (record["exit_code"], record["left_over"]) == (0, 0)
    assert record["in_loop"]["kill"] == 40


def test_names_are_those_of_this_architecture() -> None:
    names = call_names()
    assert {"openat", "close", "clone", "wait4", "execve"} <= set(names.values())
    assert len(set(names.values())) == len(names)


def test_every_call_of_the_system_header_has_a_name() -> None:
    # Calls that no probe makes: a list written by hand would lack them.
    assert {"add_key", "swapon", "quotactl", "personality", "kexec_load"} <= set(
        call_names().values()
    )


# Faults


@pytest.mark.parametrize("at", [1, 2, 5])
def test_exactly_the_wanted_call_fails(traced: Traced, at: int) -> None:
    record = traced(
        "got = []\n"
        "libc.getppid(); arm()\n"
        "for _ in range(6):\n"
        "    ctypes.set_errno(0); got.append(libc.syscall({}) < 0 and ctypes.get_errno())\n"
        "disarm(); libc.getppid(); tell(*map(int, got))\n".format(_number("getppid")),
        fault=("getppid", errno.ENOMEM, at),
    )
    assert record["output"] == [str(errno.ENOMEM * (k == at)) for k in range(1, 7)]
    assert record["fault_done"]
    assert not record["fault_in_loop"]
    assert record["armed"]["getppid"] == 6


def test_a_call_that_fails_did_nothing(traced: Traced) -> None:
    record = traced(
        "a, b = os.pipe(); os.set_blocking(a, False); arm()\n"
        "try:\n"
        "    os.write(b, b'x')\n"
        "except OSError as error:\n"
        "    tell(error.errno)\n"
        "disarm()\n"
        "try:\n"
        "    os.read(a, 1)\n"
        "except BlockingIOError:\n"
        "    tell('empty')\n",
        fault=("write", errno.ENOSPC, 1),
    )
    assert record["output"] == [str(errno.ENOSPC), "empty"]


def test_whether_the_loop_was_hit_is_told(traced: Traced) -> None:
    program = "arm(); libc.getppid(); loop(); libc.getppid(); done(); disarm()"
    outside = traced(program, fault=("getppid", errno.EPERM, 1))
    inside = traced(program, fault=("getppid", errno.EPERM, 2))
    assert (outside["fault_done"], outside["fault_in_loop"]) == (True, False)
    assert (inside["fault_done"], inside["fault_in_loop"]) == (True, True)


def test_a_call_that_never_comes_does_not_fail(traced: Traced) -> None:
    record = traced(
        "libc.getppid(); arm(); libc.getppid(); disarm(); libc.getppid()",
        fault=("getppid", errno.EPERM, 2),
    )
    assert not record["fault_done"]
    assert not record["fault_in_loop"]


def test_a_childs_call_can_fail(traced: Traced) -> None:
    record = traced(
        "arm(); child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(libc.getppid() == -1)\n"
        "status = os.waitpid(child, 0)[1]; disarm(); tell(os.WEXITSTATUS(status))\n",
        fault=("getppid", errno.EPERM, 1),
    )
    assert record["output"] == ["1"]


# Ends


def test_the_exit_code_and_the_signal_of_the_command(traced: Traced) -> None:
    record = traced("os._exit(9)")
    assert (record["exit_code"], record["signal"]) == (9, None)
    record = traced("os.abort()")
    assert (record["exit_code"], record["signal"]) == (None, "SIGABRT")


def test_a_missing_command_ends_like_a_shells() -> None:
    assert run(["/no/such/program"])["exit_code"] == 127
    assert not has_children()


def test_a_command_without_end_dies_of_the_time_limit(traced: Traced) -> None:
    assert traced("while True: time.sleep(600)", seconds=1)["signal"] == "SIGALRM"


def test_the_time_limit_holds_where_the_caller_ignores_its_signal(traced: Traced) -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        assert traced("time.sleep(600)", seconds=1)["signal"] == "SIGALRM"
    finally:
        signal.signal(signal.SIGALRM, before)


LEAVING = (
    "for _ in range({0}):\n"
    "    if os.fork() == 0:\n"
    "        {1}\n"
    "        time.sleep(600)\n"
    "        os._exit(0)\n"
)


def test_processes_that_outlive_the_command_are_killed_and_counted(traced: Traced) -> None:
    assert traced(LEAVING.format(3, "pass"))["left_over"] == 3
    assert traced(LEAVING.format(1, "while True: os.getppid()"))["left_over"] == 1


def test_processes_that_are_on_their_way_out_are_waited_for(traced: Traced) -> None:
    leaves = "parent = os.getpid()\n" + LEAVING.format(
        3, "while os.getppid() == parent: pass\n        os._exit(0)"
    )
    assert traced(leaves)["left_over"] == 0


def test_a_tracer_that_dies_takes_the_command_with_it_from_the_start(traced: Traced) -> None:
    asked = traced(
        "import ctypes\nfound = ctypes.c_int()\n"
        "ctypes.CDLL(None).prctl(2, ctypes.byref(found))  # PR_GET_PDEATHSIG\n"
        "tell(str(found.value))"
    )
    assert asked["output"] == [str(int(signal.SIGKILL))]


def test_leaving_the_process_group_saves_nobody(traced: Traced) -> None:
    assert traced(LEAVING.format(1, "os.setsid()"))["left_over"] == 1


def test_the_time_limit_ends_the_children_too(traced: Traced) -> None:
    program = LEAVING.format(2, "os.setpgid(0, 0)") + "os.kill(os.getpid(), signal.SIGALRM)"
    record = traced(program)
    assert (record["signal"], record["left_over"]) == ("SIGALRM", 2)


def test_a_signal_to_the_tracer_ends_the_command(traced: Traced, tmp_path: Path) -> None:
    # As Ctrl-C does: a handler of ours runs, and what was traced is gone.
    heard = []
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
    there = tmp_path / "there"
    me = threading.main_thread().ident
    assert me is not None

    def interrupt() -> None:
        while not there.exists():
            time.sleep(0.01)
        while not heard:
            signal.pthread_kill(me, signal.SIGUSR1)
            time.sleep(0.05)

    helper = threading.Thread(target=interrupt)
    helper.start()
    try:
        record = traced(
            LEAVING.format(1, "os.setsid()")
            + f"os.close(os.open({str(there)!r}, os.O_CREAT | os.O_WRONLY))\ntime.sleep(600)\n"
        )
    finally:
        there.touch()
        helper.join()
        signal.signal(signal.SIGUSR1, before)
    assert record["signal"] == "SIGKILL"
    assert heard


def test_other_children_of_the_caller_are_left_alone() -> None:
    with subprocess.Popen(["sleep", "600"]) as alive, subprocess.Popen(["false"]) as ended:
        try:
            record = run([sys.executable, "-I", "-S", "-c", PRELUDE + "tell('said')"])
            assert record["output"] == ["said"]
            assert alive.poll() is None
            assert ended.wait(timeout=60) == 1
        finally:
            alive.kill()


def test_the_command_has_no_input_and_says_nothing_on_our_stderr(
    traced: Traced, capfd: pytest.CaptureFixture[str]
) -> None:
    record = traced("tell(repr(os.read(0, 1))); os.write(2, b'a word')")
    assert record["output"] == ["b''"]
    assert capfd.readouterr() == ("", "")


def test_an_environment_of_its_own() -> None:
    with tempfile.TemporaryFile() as output:
        argv = [
            sys.executable,
            "-I",
            "-S",
            "-c",
            "import os; print(os.environ['A'], len(os.environ))",
        ]
        try:
            trace(argv, {"A": "b c=d", "LC_ALL": "C"}, output.fileno(), SECONDS)
        except OSError as error:
            pytest.skip(str(error))
        output.seek(0)
        assert output.read().split() == [b"b", b"c=d", b"2"]


def _number(name: str) -> int:
    return next(number for number, known in call_names().items() if known == name)
