"""Other suites' names: each leads to a figure that micro has, in the suite's own unit."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from micro_process import Inside
from rich.console import Console
from sample_sessions import everything

from micro.probes.catalogue import UnknownProbe, all_probes, first_values, select
from micro.probes.declaration import Choice
from micro.reports.terminal.suite_table import suite_table
from micro.suites.suite import NAMES, Operation, named, suite
from runners.archive import writer
from runners.model.benchmark import AxisKind, Scalar
from runners.model.session import Result, Session

PROBES = {probe.name: probe for probe in all_probes()}
OPERATIONS = [
    pytest.param(operation, id=f"{name}:{operation.name}")
    for name in NAMES
    for operation in suite(name).operations
    if operation.probe is not None
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_a_figure_of_some_session(operation: Operation) -> None:
    probe = PROBES[str(operation.probe)]
    for key, value in operation.params.items():
        declared = probe.params[key]
        assert value in (declared.values if isinstance(declared, Choice) else (declared,))
    if probe.axis is None:
        assert operation.level is None
    else:
        assert operation.level in {*probe.axis.levels, *probe.axis.of("rigorous")}
    if operation.unit == "MB/s":
        assert probe.bytes_per_op is not None


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_measured_says_why(name: str) -> None:
    for operation in suite(name).operations:
        assert operation.probe or operation.differs


#: What each suite's own script runs: programs, and options that are operations of their own.
PROGRAMS = {
    "lebench": "ref cpu getpid switch send recv fork create write read mmap munmap fault select "
    "poll epoll",
    "lmbench": "lat_syscall lat_select lat_sig lat_proc lat_ctx lat_pipe lat_fifo lat_unix lat_udp "
    "lat_unix_connect lat_rpc lat_tcp lat_connect lat_http lat_fs lat_mmap lat_pagefault lat_fcntl "
    "lat_sem lat_usleep lat_cmd lat_pmake lat_ops par_ops lat_mem_rd lat_dram_page bw_pipe bw_unix "
    "bw_tcp bw_udp bw_file_rd bw_mmap_rd bw_mem lmdd disk stream line cache tlb par_mem mhz",
    "libmicro": "getpid getenv clock_gettime gettimeofday log exp lrand48 memset memrand malloc "
    "cachetocache isatty close memcpy memmove getcontext setcontext mutex longjmp siglongjmp times "
    "getrusage time localtime_r mktime cascade_mutex cascade_cond cascade_lockf cascade_flock "
    "cascade_fcntl file_lock getsockname getpeername chdir realpath stat fcntl fcntl_ndelay lseek "
    "open dup socket socketpair setsockopt bind listen connection poll select semop sigaction "
    "signal sigprocmask pthread_create fork exit exec execw posix_spawn system recurse read write "
    "writev pread pwrite mmap mmap_frag munmap munmap_frag mprotect msync pipe close_tcp atomic "
    "sched_yield nanosleep clock_nanosleep usleep",
    "will-it-scale": "access1 access2 brk1 brk2 context_switch1 dup1 eventfd1 fallocate1 "
    "fallocate2 fstat1 fstat2 futex1 futex2 futex3 futex4 getppid1 lock1 lock2_processes lseek1 "
    "lseek2 malloc1 malloc2 mmap1 mmap2 open1 open2 open3 page_fault1 page_fault2 page_fault3 "
    "page_fault4 pipe1 poll1 poll2 posix_semaphore1 atomic1 spinlock1 pread1 pread2 pread3 "
    "pthread_mutex1 pthread_mutex2_threads pthread_mutex3 pthread_mutex4 pthread_mutex5 pwrite1 "
    "pwrite2 pwrite3 read1 read2 read3 read4 readseek1 readseek2 readseek3 sched_yield signal1 "
    "stat1 stat2 threadspawn1 tlb_flush1 tlb_flush2 tlb_flush3 unix1 unlink1 unlink2 write1 "
    "writeseek writeseek2 writeseek3",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_of_a_suite_has_a_row(name: str) -> None:
    rows = suite(name).operations
    missing = [
        program
        for program in PROGRAMS[name].split()
        if not any(operation in rows for operation in named(program))
    ]
    assert not missing


@pytest.mark.parametrize(
    ("name", "operation", "times"),
    [
        ("lmbench", "lat_sem", 1 / 2),
        ("libmicro", "sigprocmask", 1 / 2),
        ("libmicro", "cascade_mutex c_mutex_1", 2),
        ("will-it-scale", "context_switch1", 1 / 2),
        ("will-it-scale", "lock1", 1 / 2),
        ("will-it-scale", "lock1_processes, 2 tasks", 1 / 4),
        ("will-it-scale", "fallocate1", 1 / 128),
        ("will-it-scale", "page_fault1", 1 / 2048),
    ],
)
def test_where_the_unit_is_another_one_it_is_converted(
    name: str, operation: str, times: float
) -> None:
    (row,) = (row for row in suite(name).operations if row.name == operation)
    assert row.times == times


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("memset_1k", "micro measures it as memory.set (memset memset_1k)"),
        ("unix1", "micro measures it as ipc.queued (unix1)"),
        ("bw_udp", "micro has no such probe (datagrams that"),
    ],
)
def test_another_suites_name_leads_to_the_probe(pattern: str, says: str) -> None:
    with pytest.raises(UnknownProbe) as refused:
        select([pattern])
    assert says in str(refused.value)


def result(seconds: float, **how: object) -> Result:
    return Result("ipc.pipe", {"peer": "process", "cpu": "same"}, None, None, "ok", **how)  # type: ignore[arg-type]


def test_values_are_in_the_suites_unit() -> None:
    found = result(0, value_s=2e-6, bytes_per_op=4000)
    assert Operation("lat", "ipc.pipe").value(found, "µs") == pytest.approx(2)
    assert Operation("lat", "ipc.pipe").value(found, "ns") == pytest.approx(2000)
    assert Operation("bw", "ipc.pipe").value(found, "MB/s") == pytest.approx(2000)
    assert Operation("n", "ipc.pipe").value(found, "operations/s") == pytest.approx(500_000)
    half = Operation("switch", "ipc.pipe", times=0.5)
    assert half.value(found, "operations/s") == pytest.approx(1_000_000)


def test_only_a_figure_with_all_parameters_is_one_of_the_operation() -> None:
    same = result(0, value_s=1e-6)
    wanted = {"peer": "process", "cpu": "same"}
    assert Operation("lat", "ipc.pipe", wanted).among([same]) is same
    assert Operation("lat", "ipc.pipe", {"cpu": "other"}).among([same]) is None
    assert Operation("lat", "ipc.pipe", level=2).among([same]) is None
    assert Operation("lat", "ipc.pipe").among([result(0)]) is None


def test_what_an_operation_leaves_open_is_what_a_usual_session_measures_first() -> None:
    # result(0)'s parameters are those of a usual session.
    usual = result(0, value_s=1e-6)
    other = replace(usual, params={**usual.params, "peer": "thread"})
    operation = Operation("lat", "ipc.pipe", {"cpu": "same"})
    unsaid = [first_values("ipc.pipe", effort) for effort in ("usual", "quick")]
    assert operation.among([other, usual], unsaid) is usual
    assert operation.among([other], unsaid) is None
    older = replace(usual, params={"cpu": "same"})  # than the parameter
    assert operation.among([older], unsaid) is older


def team(params: Mapping[str, Scalar], axis: str, x: int, seconds: float = 1e-6) -> Result:
    kind: AxisKind = "members" if axis == "members" else "load"
    return Result("event.poll", params, axis, x, "ok", value_s=seconds, axis_kind=kind)


POLL = Operation("poll1", "event.poll", {"ready": "1"}, 16)
READY = {"ready": "1", "rotation": "fixed"}


@pytest.mark.parametrize(
    "result",
    [
        team({**READY, "watched": 16, "as": "threads"}, "members", 4),
        team({**READY, "members": 4, "as": "threads"}, "watched", 16),
    ],
    ids=["over members", "over load"],
)
def test_a_team_of_an_operation_counts_what_all_its_tasks_do(result: Result) -> None:
    assert POLL.among([result]) is None
    operation = POLL.of_team(result)
    assert operation is not None
    assert operation.name == "poll1_threads, 4 tasks"
    assert operation.value(result, "operations/s") == pytest.approx(4e6)


@pytest.mark.parametrize(
    "result",
    [
        team(READY, "watched", 16),
        team({**READY, "watched": 4, "as": "threads"}, "members", 16),
        team({**READY, "members": 16, "as": "threads"}, "watched", 4),
        team({**READY, "ready": "10%", "members": 4, "as": "threads"}, "watched", 16),
    ],
    ids=["alone", "another load", "another level", "another parameter"],
)
def test_other_figures_are_none_of_its_teams(result: Result) -> None:
    assert POLL.of_team(result) is None


@pytest.mark.parametrize("name", NAMES)
def test_show_prints_a_session_like_another_suite(
    inside: Inside, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "session.json"
    writer.write(everything(), file)
    shown = inside("show", "--like", name, file)
    assert shown.returncode == 0
    assert suite(name).title.split()[0] in shown.stdout
    assert "not in this session" in " ".join(shown.stdout.split())


def test_an_unstable_figure_is_marked() -> None:
    doubtful = Result("syscall.getppid", {}, None, None, "unstable", "rounds differ", 1e-7)
    out = Console(width=100, record=True, file=io.StringIO())
    out.print(suite_table(suite("lebench"), Session({}, {}, [doubtful])))
    text = out.export_text()
    assert "100~" in text
    assert "unstable: 1 of" in text


def test_another_suite_is_one_of_four(inside: Inside, sample: Path) -> None:
    ended = inside("show", "--like", "unixbench", sample)
    assert ended.returncode == 2
    assert "'lebench', 'lmbench', 'libmicro', 'will-it-scale'" in ended.stderr
