"""A CPU quota is seen and named: by a visit and by the doctor."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from cgroups import cgroup
from place import ROOT

#: 2 ms of each 100: a worker that runs at all is stopped.
QUOTA = {"cpu.cfs_quota_us": "2000", "cpu.max": "2000 100000"}
#: Joins the cgroup of its first argument, then visits a probe and asks the doctor.
STOPPED = """
import json, os, pathlib, sys
from micro.probes.catalogue import select
from runners.doctor.load import Watch
from runners.measure.launch import Launcher, Order
(probe,) = select(["fd.open_close"])
pathlib.Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
watch, launcher = Watch(), Launcher(pathlib.Path(sys.argv[2]), time_limit_s=600)
order = Order(probe.jobs()[0], (None,), (), trace=0)
noise = [line["noise"] for line in launcher.visit(order).lines if "noise" in line]
print(json.dumps({"noise": noise, "doctor": [f.seen for f in watch.findings()]}))
"""


def test_a_quota_is_named_by_a_visit_and_by_the_doctor(tmp_path: object) -> None:
    try:
        with cgroup(("cpu", QUOTA)) as folder:
            done = subprocess.run(
                [sys.executable, "-c", STOPPED, str(folder), str(tmp_path)],
                cwd=ROOT,
                capture_output=True,
                check=True,
            )
    except PermissionError as refused:
        pytest.skip(str(refused))
    found = json.loads(done.stdout)
    assert found["noise"][0]["throttled_us"] > 0
    assert any("stopped by the cgroup's CPU quota" in seen for seen in found["doctor"])
