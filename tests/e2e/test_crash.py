# SPDX-License-Identifier: MIT
"""kill -9 of daemons, runners and probes at random instants under load: every job runs as often as its rule allows,
its exit code is right, its log is whole, and no GPU has two jobs.

The jobs write the evidence (tests/helpers/evidence.c); the daemon's word is not taken for it. TGPU_CRASH_KILLS sets
the number of kills, TGPU_CRASH_SECONDS the time that it goes on at least.
"""
import collections
import contextlib
import http.client
import itertools
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from harness import PATIENCE, report

KILLS = int(os.environ.get("TGPU_CRASH_KILLS", "30"))
SECONDS = float(os.environ.get("TGPU_CRASH_SECONDS", "0"))
SUBMITTERS = 6
CONFIG = "max_jobs_per_user = 300\nprobe_timeout = 1s\nprobe_interval = 200ms\npreempt_immunity = 0\npreempt_restart = 0\n"
PAGE = 10000  # jobs of one answer


class Load:
    """Threads that submit, cancel and release, repeating each request until it is acknowledged."""

    def __init__(self, tgpu, evidence, directory, seed):
        self.tgpu, self.command, self.seed = tgpu, [str(evidence), str(directory)], seed
        self.jobs = {}  # id -> (kind, spec), as acknowledged
        self.wrong = []
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(SUBMITTERS)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        chance, parent = random.Random(self.seed * SUBMITTERS + number), 0
        for count in itertools.count():
            kind = chance.choices(["plain", "array", "held", "endless", "deaf"], [70, 10, 8, 8, 4])[0]
            milliseconds = "600000" if kind in ("endless", "deaf") else str(chance.randrange(30))
            code = str(chance.choice([0, 0, 0, 1, 7, 255]))
            spec = {"command": [*self.command, milliseconds, code, *(["deaf"] if kind == "deaf" else [])], "cwd": "/",
                    "env": {}, "num_gpus": chance.choice([0, 1, 1, 2, 4]), "requeue": chance.random() < 0.7,
                    "hold": kind == "held", "grace": "100ms", "priority": chance.choice([0, 0, 5])}
            spec["preemptible"] = spec["requeue"] and chance.random() < 0.5
            if kind == "array":
                spec |= {"array": chance.choice(["0-9", "1-3,7-9%2"]), "num_gpus": chance.choice([0, 1])}
            if parent and chance.random() < 0.2:
                spec |= {"after": f"{chance.choice(['afterok', 'afterany'])}:{parent}", "cancel_if_never": True}
            job = self.insist("/v1/jobs", spec, {"Idempotency-Key": f"{number}-{count}"})
            if job is None:
                return
            parent = job["id"] if kind == "plain" else 0
            self.jobs |= {job["id"] + i: (kind, spec) for i in range(job["n_jobs"])}
            if kind == "array":  # in its middle, wherever it has got to
                middle = range(job["id"] + 2, job["id"] + 4)
                self.jobs |= {task: ("cut", spec) for task in middle}
                self.insist("/v1/jobs/cancel", {"ids": f"{middle[0]}-{middle[-1]}"})
            elif kind != "plain":
                self.stopped.wait(chance.random() * 0.2)
                self.insist("/v1/jobs/release" if kind == "held" else "/v1/jobs/cancel", {"ids": str(job["id"])})
            if self.stopped.wait(0.02):
                return

    def insist(self, path, body, headers=None):
        """The answer, once there is one. Asking again is harmless. None after a refusal."""
        deadline = time.monotonic() + 2 * PATIENCE
        while True:
            try:
                status, answer = self.tgpu.api("POST", path, body, headers, timeout=10)
            except (OSError, ValueError, http.client.HTTPException):
                status, answer = 503, "no answer: killed before, during or after"
            if status in (200, 201):
                return answer
            if status != 503 or time.monotonic() > deadline:
                self.wrong.append((path, body, status, answer))
                return None
            threading.Event().wait(0.01)  # not for something to happen: to leave the daemon some air

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


class Killer:
    """Kills what it may: this test's own daemon, its runners, its probe."""

    def __init__(self, tgpu, chance):
        self.tgpu, self.chance = tgpu, chance
        self.count = collections.Counter()
        self.runner_kills = collections.Counter()  # by job

    def strike(self):
        dice = self.chance.random()
        if dice < 0.55:
            self.daemon()
        elif dice < 0.85:
            self.runner()
        else:
            self.probe(signal.SIGSTOP if dice < 0.92 else signal.SIGKILL)

    def daemon(self):
        self.tgpu.kill9()
        self.count["daemon"] += 1
        while self.chance.random() < 0.2:
            starting, ready = self.tgpu.popen_daemon()
            with contextlib.suppress(subprocess.TimeoutExpired):
                starting.wait(self.chance.random() * 0.03)
            starting.kill()
            starting.wait(PATIENCE)
            os.close(ready)
            self.count["starting daemon"] += 1
        self.tgpu.start()

    def signal_if(self, pid, number, is_ours):
        """Through a pidfd that was opened before the proof, so never to another process."""
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            if not is_ours(pid):
                return False
            signal.pidfd_send_signal(fd, number)
            return True
        except OSError:
            return False
        finally:
            os.close(fd)

    def runner(self):
        try:
            attempts = os.listdir(self.tgpu.state / "jobs")
            directory = self.tgpu.state / "jobs" / self.chance.choice(attempts)
            words = dict(line.split("=", 1) for line in (directory / "runner").read_text().splitlines())
        except (OSError, IndexError):
            return  # none, or not there yet
        job = int(directory.name.split(".")[0])
        if self.runner_kills[job] >= 3:
            return

        def holds_lock(pid):
            return os.readlink(f"/proc/{pid}/fd/4") == str(directory / "lock")

        self.runner_kills[job] += 1  # before the fact: the checker must not be faster than this
        if self.signal_if(int(words["pid"]), signal.SIGKILL, holds_lock):
            self.count["runner"] += 1
        else:
            self.runner_kills[job] -= 1

    def probe(self, number):
        daemon = self.tgpu.daemon.pid
        try:
            with open(f"/proc/{daemon}/task/{daemon}/children", encoding="ascii") as file:
                children = [int(word) for word in file.read().split()]
        except OSError:
            return

        def is_probe(pid):
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
            return parent == daemon and os.readlink(f"/proc/{pid}/exe").endswith("tgpu-probe")

        for child in children:
            if self.signal_if(child, number, is_probe):
                self.count["probe" if number == signal.SIGKILL else "probe, stopped"] += 1
                return


def evidence_of(directory):
    """What the jobs say: id -> the restart numbers of its starts, in order; how often each came to its end; and the
    numbers of all lines about it."""
    starts, ends, lines = collections.defaultdict(list), collections.Counter(), collections.defaultdict(list)
    for number, line in enumerate((directory / "log").read_text().splitlines()):
        words = line.split()
        assert words[0] != "overlap", f"two jobs had one GPU: {line}"
        lines[int(words[1])].append(number)
        if words[0] == "start":
            starts[int(words[1])].append(int(words[2]))
        else:
            ends[int(words[1])] += 1
    return starts, ends, lines


def all_jobs(tgpu, last):
    for first in range(1, last + 1, PAGE):
        status, answer = tgpu.api("GET", f"/v1/jobs?state=all&limit={PAGE}&ids={first}-{first + PAGE - 1}")
        assert status == 200 and not answer["more"], answer
        for job in answer["jobs"]:
            yield from ({**job, "id": job["id"] + i} for i in range(job["n_tasks"]))


def check_order(job, spec, shown, lines):
    """A job that depends on another: did it begin after the other's end, or never, by the rule?"""
    rule, parent = spec["after"].split(":")
    parent = int(parent)
    if rule == "afterok" and shown[parent]["state"] != "finished":
        assert shown[job]["state"] == "cancelled" and not lines[job], (shown[job], shown[parent])
    elif lines[job] and lines[parent]:
        assert lines[job][0] > lines[parent][-1], (shown[job], shown[parent])


def check(kind, spec, shown, kills, starts, ends, log):
    """One job: its record against what it did and what was done to it."""
    assert starts == sorted(set(starts)), f"an attempt ran twice: {shown} {starts}"
    assert len(starts) <= 1 + kills + shown["preempted"], f"it ran too often: {shown} {starts}"
    if shown["cause"] == "runner-lost":
        assert shown["state"] == "failed" and kills and not spec["requeue"], shown
        return "lost with its runner"
    if kind in ("endless", "deaf"):
        assert shown["state"] == "cancelled" and not ends, (shown, ends)
        return "cancelled"
    if shown["state"] == "cancelled" and (kind == "cut" or "afterok" in spec.get("after", "")):
        return "cut" if kind == "cut" else "never ran"
    code = int(spec["command"][3])
    assert shown["state"] == ("failed" if code else "finished") and shown["exit_code"] == code, shown
    assert shown["cause"] == "exit" and starts and ends, shown
    if len(starts) > 1:
        assert spec["requeue"], shown
    last = starts[-1]
    assert last == shown["attempt"] - 1, (shown, starts)
    whole = f"begin {shown['id']} {last}\nend {shown['id']} {last}\n"
    assert log.endswith(whole) if kills or shown["preempted"] else log == whole, (shown, log)
    return "ran again" if len(starts) > 1 else "ran once"


@pytest.mark.parametrize("cgroup", ["auto", "none"])
def test_kill_nine_at_random_instants(tgpu_factory, evidence, tmp_path, cgroup):
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    tgpu = tgpu_factory(gpus="simulated:8", config=f"{CONFIG}cgroup = {cgroup}\n")
    load, killer = Load(tgpu, evidence, tmp_path, seed), Killer(tgpu, chance)
    instant, began = threading.Event(), time.monotonic()
    try:
        while sum(killer.count.values()) < KILLS or time.monotonic() - began < SECONDS:
            instant.wait(chance.random() * 0.3)  # not for something to happen: to be somewhere else each time
            killer.strike()
    finally:
        load.stop()
    assert not load.wrong
    tgpu.wait_all([])
    starts, ends, lines = evidence_of(tmp_path)
    verdicts = collections.Counter()
    shown = {job["id"]: job for job in all_jobs(tgpu, max(load.jobs))}
    assert set(shown) == set(load.jobs) and set(starts) <= set(shown), "lost, or made of nothing"
    for job, (kind, spec) in load.jobs.items():
        log = tgpu.state / "logs" / f"{job}.log"
        verdicts[check(kind, spec, shown[job], killer.runner_kills[job], starts[job], ends[job],
                       log.read_text() if log.exists() else "")] += 1
        if "after" in spec:
            check_order(job, spec, shown, lines)
    kills = ", ".join(f"{n} of a {who}" for who, n in killer.count.most_common())
    jobs = ", ".join(f"{n} {what}" for what, n in verdicts.most_common())
    report(f"crash, cgroup {cgroup}: {sum(killer.count.values())} kills ({kills}); {len(shown)} jobs ({jobs}); "
           f"{time.monotonic() - began:.0f} s; 0 violations")
