"""Systems that are small, broken or strict: numbers or a named reason, never a hang or a leak."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from micro_process import DEADLINE_S, ROOT, Micro, has_number, sound

from micro.probes.catalogue import all_probes

NAMES = [probe.name for probe in all_probes() if probe.measured_at("quick")]


def brief(*names: str) -> tuple[str, ...]:
    return ("all", "--only", *names, "--quick", "--json")


FD = brief("fd.open_close")


def in_time(results: dict[str, Any]) -> dict[str, Any]:
    """The same; a machine on which the budget ended before all were visited shows nothing."""
    if any("budget" in (point["reason"] or "") for some in results.values() for point in some):
        pytest.skip("too busy here: the budget ended before all were visited")
    return results


def test_32_descriptors(micro: Micro) -> None:
    done = micro("all", "--quick", "--json", weather=["limit=NOFILE:32"])
    assert done.returncode == 0
    results = in_time(sound(done.stdout, *NAMES))
    for name in ("fd.open_close", "fd.open_interleaved", "event.poll", "mmap.map"):
        assert has_number(results[name]), name
    curves = {curve["name"]: curve for curve in json.loads(done.stdout)["curves"]}
    for name in ("fd.open_interleaved", "event.poll", "event.epoll"):
        assert curves[name]["reached"] < 32
        assert curves[name]["stopped_by"] == "RLIMIT_NOFILE hard limit 32"
        assert curves[name]["x"][-1] == curves[name]["reached"]


@pytest.mark.parametrize("most", [6, 12])
def test_hardly_any_descriptors(most: int, micro: Micro) -> None:
    done = micro(*FD, weather=[f"limit=NOFILE:{most}"])
    if done.returncode == 0:
        assert has_number(sound(done.stdout)["fd.open_close"])
    else:
        assert done.returncode == 1
        assert "Too many open files" in done.stderr


def test_few_processes(micro: Micro) -> None:
    # Enough for one worker, not for a worker's children and threads.
    names = ("fd.open_close", "process", "thread", "malloc")
    done = micro(*brief(*names), "--budget", 20, weather=["processes=2"])
    results = in_time(sound(done.stdout, "fd.open_close"))
    assert done.returncode == 1
    assert has_number(results["fd.open_close"])
    for name, calls in {
        "process.fork_exit": ("fork", "start of the parent program"),
        "process.vfork_exit": ("vfork", "start of the parent program"),
        "thread.create_join": ("pthread_create",),
        "malloc.threads": ("pthread_create",),
    }.items():
        for result in results[name]:
            assert result["status"] == "failed"
            assert result["reason"].startswith(tuple(f"{call}: EAGAIN" for call in calls))
        assert f"micro: {name}" in done.stderr


@pytest.mark.parametrize("most", [0, 1])
def test_not_even_one_worker(most: int, micro: Micro) -> None:
    done = micro(*FD, "--budget", 20, weather=[f"processes={most}"])
    assert done.returncode == 1
    if done.stdout:
        sound(done.stdout, "fd.open_close")
    assert "Resource temporarily unavailable" in done.stderr or "EAGAIN" in done.stderr


def test_one_cpu(micro: Micro) -> None:
    done = micro(*brief("fd.open_close", "malloc", "thread"), weather=["one_cpu"])
    assert done.returncode == 0
    results = in_time(sound(done.stdout, "fd.open_close", "malloc.threads", "thread.create_join"))
    assert all(map(has_number, results.values()))
    assert [result["x"] for result in results["malloc.threads"]] == [1, 4]
    assert json.loads(done.stdout)["environment"]["cpu_count"] == 1


def test_no_loopback(micro: Micro) -> None:
    done = micro(*brief("fd.open_close", "event", "port"), weather=["no_network"])
    assert done.returncode == 0
    names = ("fd.open_close", "event.poll", "event.epoll", "port.bind_ephemeral")
    results = in_time(sound(done.stdout, *names))
    assert has_number(results["fd.open_close"])
    for name in ("event.poll", "event.epoll"):
        (result,) = results[name]
        assert result["status"] == "skipped"
        assert "loopback" in result["reason"]


def test_no_proc(micro: Micro) -> None:
    names = ("fd", "mmap.map", "memory", "malloc", "process.fork_exit", "event.epoll")
    done = micro(*brief(*names), weather=["hide=/proc"])
    assert done.returncode == 0
    assert all(
        map(has_number, in_time(sound(done.stdout, "fd.open_close", "memory.copy")).values())
    )


@pytest.mark.parametrize(
    ("call", "failing", "others"),
    [
        ("vfork", "process.vfork_exit", ["process.fork_exit", "fd.open_close"]),
        ("epoll_create1", "event.epoll", ["event.poll", "fd.open_close"]),
    ],
)
def test_forbidden_system_calls(call: str, failing: str, others: list[str], micro: Micro) -> None:
    done = micro(*brief(failing, *others), weather=[f"forbid={call}"])
    results = in_time(sound(done.stdout, failing, *others))
    for name in others:
        assert has_number(results[name]), name
    assert not has_number(results[failing])
    for result in results[failing]:
        assert result["reason"].startswith(f"{call}: EPERM")
    failed = any(result["status"] == "failed" for result in results[failing])
    assert done.returncode == (1 if failed else 0)
    assert failed == (f"micro: {failing}" in done.stderr)


@pytest.mark.parametrize("error", ["ENOSYS", "ENOLCK"])
def test_without_flock_only_the_clean_up_after_a_kill_is_lost(error: str, micro: Micro) -> None:
    done = micro(*FD, weather=[f"forbid=flock:{error}"])
    assert done.returncode == 0
    assert has_number(sound(done.stdout)["fd.open_close"])
    assert list(micro.temporary.iterdir()) == []


def test_the_doctor_names_a_refused_flock(micro: Micro) -> None:
    told = micro("doctor", weather=["forbid=flock:ENOLCK"])
    assert "flock: ENOLCK" in " ".join(told.stdout.split())


def test_without_poll_every_probe_is_named_with_it(micro: Micro) -> None:
    done = micro(*FD, weather=["forbid=poll:ENOSYS"])
    assert done.returncode == 1
    (result,) = sound(done.stdout)["fd.open_close"]
    assert result["reason"] == "no answer from the worker: poll: Function not implemented"


def test_without_prlimit_figures_or_the_call_by_name(micro: Micro) -> None:
    done = micro(
        *brief("fd.open_close", "event.poll", "mmap.map"), weather=["forbid=prlimit:ENOSYS"]
    )
    for results in sound(done.stdout, "fd.open_close", "event.poll", "mmap.map").values():
        assert has_number(results) or "getrlimit" in results[0]["reason"], results


def test_a_worker_that_cannot_be_bound_measures_and_says_so(micro: Micro) -> None:
    done = micro(*FD, weather=["forbid=sched_setaffinity"])
    assert done.returncode == 0
    (result,) = sound(done.stdout)["fd.open_close"]
    assert result["status"] == "unstable"
    assert "sched_setaffinity: EPERM" in json.loads(done.stdout)["settings"]["unpinned"]


@pytest.mark.parametrize(
    ("weather", "said"),
    [
        ("limit=AS:61440000", "RLIMIT_AS allows 58 MiB"),
        ("limit=AS:102400000", "RLIMIT_AS allows 97 MiB"),
        ("limit=CPU:1", "RLIMIT_CPU allows 1 s"),
    ],
)
def test_a_limit_under_which_nothing_runs_is_named(weather: str, said: str, micro: Micro) -> None:
    done = micro("run", "fd.open_close", weather=[weather])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"micro: error: {said}")
    assert done.stderr.count("\n") == 1


def test_a_session_that_may_write_no_byte_says_which_limit(micro: Micro) -> None:
    done = micro(*FD, weather=["limit=FSIZE:0"])
    assert done.returncode == 2
    assert done.stderr == (
        "micro: error: no temporary file can be written (RLIMIT_FSIZE is 0: raise it with "
        "ulimit -f)\n"
    )


def test_too_few_descriptors_to_verify_are_named(micro: Micro) -> None:
    done = micro("verify", "fd.open_close", "--short", weather=["limit=NOFILE:16"])
    if done.returncode:
        assert "RLIMIT_NOFILE is 16: raise it with ulimit -n" in done.stderr


def test_what_a_limit_keeps_from_working_is_no_defect(micro: Micro) -> None:
    arguments = ("fd.table_shared", "--short", "--only", "receipts")
    done = micro("verify", *arguments, weather=["limit=NOFILE:16"])
    assert done.returncode == 0, done.stdout
    assert "EMFILE" in done.stdout


def test_a_forbidden_vfork_stops_no_worker(micro: Micro) -> None:
    # Python's own way to start one is vfork, too.
    done = micro(*FD, weather=["forbid=vfork"])
    assert done.returncode == 0
    assert has_number(sound(done.stdout)["fd.open_close"])


def test_no_sockets(micro: Micro) -> None:
    done = micro(*brief("fd.open_close", "event", "port"), weather=["forbid=socket"])
    names = ("fd.open_close", "event.poll", "event.epoll", "port.bind_ephemeral")
    results = in_time(sound(done.stdout, *names))
    assert has_number(results.pop("fd.open_close"))
    for name in ("event.poll", "event.epoll", "port.bind_ephemeral"):
        for result in results[name]:
            assert "socket" in result["reason"]
            assert "EPERM" in result["reason"]


def test_a_current_directory_that_is_read_only(micro: Micro) -> None:
    if not os.path.isdir("/proc"):
        pytest.skip("no /proc")
    done = micro(*FD, cwd="/proc")
    assert done.returncode == 0
    assert has_number(sound(done.stdout)["fd.open_close"])


def test_a_current_directory_that_was_removed(micro: Micro, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with micro.start(*FD, weather=["remove_cwd"], cwd=gone) as process:
        out, err = process.communicate(timeout=DEADLINE_S)
    assert "Traceback" not in err
    assert process.returncode == 0
    assert has_number(sound(out)["fd.open_close"])


@pytest.mark.parametrize("directory", ["/nonexistent", "/proc"])
def test_an_unusable_tmpdir_is_not_used(directory: str, micro: Micro) -> None:
    done = micro(*FD, env={"TMPDIR": directory})
    assert done.returncode == 0
    assert has_number(sound(done.stdout)["fd.open_close"])


def test_a_read_only_file_system(micro: Micro) -> None:
    done = micro(*FD, weather=["read_only=/"])
    if done.stdout:  # some other file system served
        assert has_number(sound(done.stdout)["fd.open_close"])
        return
    assert done.returncode == 2
    assert done.stderr.startswith("micro: error: no temporary file can be written in TMPDIR, /tmp")
    assert done.stderr.count("\n") == 1


def test_an_unwritable_home_costs_only_the_memory(micro: Micro, tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("mine", encoding="utf-8")
    done = micro(*FD, env={"HOME": str(home), "XDG_STATE_HOME": None})
    assert done.returncode == 0
    assert has_number(sound(done.stdout)["fd.open_close"])
    assert home.read_text(encoding="utf-8") == "mine"


def test_a_user_without_a_home(micro: Micro, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    env = {"HOME": None, "XDG_STATE_HOME": None, "PYTHONPATH": str(ROOT)}
    done = micro(*FD, env=env, cwd=tmp_path, weather=["processes=1000"])
    assert done.returncode == 0
    assert has_number(sound(done.stdout)["fd.open_close"])
    assert not (tmp_path / "~").exists()


def test_a_relative_state_directory_is_not_littered(micro: Micro, tmp_path: Path) -> None:
    done = micro(*FD, env={"XDG_STATE_HOME": "relative"}, cwd=tmp_path)
    assert done.returncode == 0
    assert not (tmp_path / "relative").exists()
    assert (micro.home / ".local" / "state" / "micro").is_dir()
