# SPDX-License-Identifier: MIT
"""kill -9 of tgpud before and after each of its effects: commits, spawns, signals, files, answers.

tests/helpers/crashpoint.c kills it at the Nth call of a function. For every N until a run of the same work comes
through, the next daemon must finish that work as if nothing had happened. The jobs' own evidence is what counts.
With TGPU_CRASH_KILLS of 1000 or more all points are visited, else a random sample.
"""
import http.client
import os
import random
import time

import pytest

from harness import BUILD, PATIENCE, report

FUNCTIONS = ["fdatasync", "fsync", "pwrite64", "posix_spawn", "pidfd_send_signal", "unlink", "rmdir", "mkdir", "send", "sendmsg"]
ALL = int(os.environ.get("TGPU_CRASH_KILLS", "0")) >= 1000
SAMPLE = 4  # points of each function and side, where not all are visited
STRIDE = {"pwrite64": 7}  # SQLite writes each page by itself
pytestmark = pytest.mark.skipif("sanitize" in str(BUILD), reason="a sanitizer must be loaded first")


class Work:
    """The same few jobs each time, asked for until it is acknowledged."""

    def __init__(self, tgpu, evidence, directory):
        self.tgpu, self.evidence, self.directory = tgpu, str(evidence), directory
        self.crashes = 0
        directory.mkdir()

    def survive(self, act):
        """Carry out an idempotent request; a daemon that dies of it is replaced by one without a crash point."""
        deadline = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < deadline, self.tgpu.daemon_log()
            try:
                return act()
            except (OSError, ValueError, http.client.HTTPException):
                self.revive()

    def revive(self):
        if self.tgpu.daemon is not None and self.tgpu.daemon.wait(PATIENCE) is not None:
            assert self.tgpu.daemon.returncode == -9, self.tgpu.daemon_log()
            self.crashes += 1
            self.tgpu.daemon = None
            self.tgpu.start()

    def submit(self, key, milliseconds, code=0, **fields):
        spec = {"command": [self.evidence, str(self.directory), str(milliseconds), str(code)], "cwd": "/", "env": {},
                "num_gpus": 2, **fields}
        status, job = self.survive(lambda: self.tgpu.api("POST", "/v1/jobs", spec, {"Idempotency-Key": key}))
        assert status in (200, 201), job
        return job["id"]

    def order(self, verb, job, **more):
        self.survive(lambda: self.tgpu.api("POST", f"/v1/jobs/{verb}", {"ids": str(job), **more}))

    def until(self, job, states):
        return self.survive(lambda: self.poll(job, states))

    def poll(self, job, states):
        shown, deadline = self.tgpu.job(job), time.monotonic() + PATIENCE
        while shown["state"] not in states:
            assert time.monotonic() < deadline, f"{shown}\n{self.tgpu.daemon_log()}"
            shown = self.tgpu.api("GET", f"/v1/jobs/{job}?after={shown['revision']}", timeout=PATIENCE)[1]
        return shown

    def wait_for_start(self, job):
        """Until it has written its evidence, whether or not a daemon lives."""
        log, deadline = self.directory / "log", time.monotonic() + PATIENCE
        while not (log.exists() and f"start {job} " in log.read_text()):
            assert time.monotonic() < deadline, self.tgpu.daemon_log()
            os.sched_yield()

    def run(self):
        """What each job must come to: its state, exit code and number of starts."""
        want = {self.submit("plain", 1): ("finished", 0, 1), self.submit("fails", 1, 3): ("failed", 3, 1)}
        stopped = self.submit("stopped", 60000)
        held = self.submit("held", 1, hold=True)
        dropped = self.submit("dropped", 1, hold=True)
        array = self.submit("array", 1, array="0-3", hold=True)
        child = self.submit("child", 1, after=f"afterok:{array}-{array + 2}")
        self.until(stopped, ("running",))
        self.wait_for_start(stopped)  # which comes a moment after the exec
        self.order("cancel", stopped)
        self.order("release", held)
        self.order("cancel", dropped)
        self.order("update", array + 1, set={"name": "changed"})
        self.order("cancel", array + 3)
        self.order("release", f"{array}-{array + 3}")
        want |= {stopped: ("cancelled", None, 1), held: ("finished", 0, 1), dropped: ("cancelled", None, 0)}
        want |= {array: ("finished", 0, 1), array + 1: ("finished", 0, 1), array + 2: ("finished", 0, 1),
                 array + 3: ("cancelled", None, 0), child: ("finished", 0, 1)}
        shown = {job: self.until(job, ("finished", "failed", "cancelled")) for job in want}
        return want, shown

    def check(self, want, shown):
        lines = [line.split() for line in (self.directory / "log").read_text().splitlines()]
        assert not [line for line in lines if line[0] == "overlap"]
        for job, (state, code, starts) in want.items():
            assert (shown[job]["state"], shown[job]["exit_code"]) == (state, code), shown[job]
            assert len([line for line in lines if line[:2] == ["start", str(job)]]) == starts, (job, lines)
            if state != "cancelled":  # the first attempt's runner may have died before it began
                restarts = shown[job]["attempt"] - 1
                assert self.survive(lambda job=job: self.tgpu.log_of(job)) == f"begin {job} {restarts}\nend {job} {restarts}\n"
        self.survive(lambda: self.tgpu.wait_all([]))
        assert self.survive(lambda: self.tgpu.api("GET", "/v1/status"))[1]["illegal_events"] == 0


def start_with_crash_point(tgpu, point):
    """Start tgpud so that it dies at this point, perhaps before it is ready."""
    library = BUILD / "tests" / "helpers" / "libcrashpoint.so"
    process, line = tgpu.spawn_daemon(LD_PRELOAD=str(library), TGPU_CRASH_POINT=point)
    tgpu.daemon = process
    if line == "ready":
        return 0
    assert process.wait(PATIENCE) == -9, (point, line, tgpu.daemon_log())
    tgpu.daemon = None
    tgpu.start()
    return 1


def visit(tgpu_factory, evidence, directory, point):
    """One run with one crash point. How many times it crashed."""
    tgpu = tgpu_factory(gpus="simulated:4")
    tgpu.stop()
    early = start_with_crash_point(tgpu, point)
    work = Work(tgpu, evidence, directory)
    want, shown = work.run()
    work.check(want, shown)
    tgpu.kill9()
    tgpu.start()
    leftovers = list((tgpu.state / "jobs").iterdir())
    assert not leftovers, (point, leftovers)
    return early + work.crashes


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_kill_nine_at_every_effect(tgpu_factory, evidence, tmp_path, function, side):
    numbers = range(1, 2000, STRIDE.get(function, 1))
    if not ALL:
        numbers = sorted(random.SystemRandom().sample(range(1, 12), SAMPLE))
    crashes, visited = 0, []
    for number in numbers:
        visited.append(number)
        crashed = visit(tgpu_factory, evidence, tmp_path / str(number), f"{function}:{side}:{number}")
        crashes += crashed
        if ALL and not crashed:
            break
    report(f"crash points: {function} {side}: {crashes} kills, {11 * len(visited)} jobs, points {visited[0]} to {visited[-1]}")
