# SPDX-License-Identifier: MIT
"""When memory runs out the kernel kills workers, programs and checks before the master."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from harness import BUILD, configuration, proc_children, service, wait_for

MODULE = BUILD / "tests" / "modules" / "faulty.so"
SLEEPS = ["/bin/sleep", "1000"]


def oom_score_adj(pid):
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


@pytest.mark.parametrize("raised_to", [None, 750, 950])
def test_what_the_master_starts_comes_before_it(tcpd, tmp_path, raised_to):
    """Workers of all kinds, their programs, and the check of a configuration have 100 more."""
    master = raised_to or oom_score_adj(os.getpid())
    child = min(master + 100, 1000)
    module = shutil.copy(MODULE, tmp_path / "faulty.so")
    services = [service("echo", min_workers=1, max_workers=1),
                service("program", program=SLEEPS, min_workers=1, max_workers=1),
                service("listener", "program", program=SLEEPS, program_mode="listener",
                        min_workers=1)]
    with tcpd(configuration(*services)) as daemon:
        if raised_to:
            Path(f"/proc/{daemon.pid}/oom_score_adj").write_text(str(master))
            old = daemon.workers()
            for pid in old:
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: len(set(daemon.workers()) - set(old)) == 3, what="other workers")
        with daemon.connect("program"):
            programs = wait_for(lambda: [pid for worker in daemon.workers("program")
                                         for pid in proc_children(worker)], what="the program")
            assert {oom_score_adj(pid) for pid in programs} == {child}
            wait_for(lambda: {oom_score_adj(pid) for pid in daemon.workers()} == {child},
                     what="the workers' score")
        trying = service("faulty", "module", module=module, module_options=["open=sleep"])
        daemon.path.write_text(configuration(*services, trying))
        workers = daemon.workers()
        daemon.signal(signal.SIGHUP)
        daemon.wait_notify(lambda m: m.get("RELOADING") == "1")
        [check] = wait_for(lambda: set(proc_children(daemon.pid)) - set(workers), what="the check")
        wait_for(lambda: oom_score_adj(check) == child, what="the check's score")
        wait_for(lambda: oom_score_adj(daemon.pid) == master, what="its own, raised to fork only")
