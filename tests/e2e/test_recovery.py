# SPDX-License-Identifier: MIT
"""Each row of the recovery table, with real processes."""
import json
import os
import pathlib
import resource
import signal

import pytest

from harness import UnixConnection

pytestmark = pytest.mark.sanitize


def runner_pid(tgpu, job, attempt=1):
    record = (tgpu.state / "jobs" / f"{job}.{attempt}" / "runner").read_text()
    return int(dict(line.split("=", 1) for line in record.split())["pid"])


def wait_gone(pid):
    """Until that process is no more (it is not our child)."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    import select
    assert select.select([fd], [], [], 60)[0]
    os.close(fd)


def test_running_jobs_are_adopted_and_their_gpus_stay_theirs(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    job = tgpu.submit("--gpus", "3", "--", "sh", "-c", "read line < fifo; exit 7",
                      cwd=tgpu.dir) if os.mkfifo(tgpu.dir / "fifo") is None else None
    before = tgpu.wait_for_state(job, "running")
    waiting = tgpu.submit("--gpus", "2", "--", "true")
    tgpu.kill9()
    tgpu.start()
    after = tgpu.job(job)
    assert (after["state"], after["gpus"], after["attempt"]) == ("running", before["gpus"], 1)
    assert tgpu.job(waiting)["state"] == "queued"
    (tgpu.dir / "fifo").write_text("go\n")
    assert tgpu.wait(job)["exit_code"] == 7
    assert tgpu.wait(waiting)["state"] == "finished"


def test_gpus_keep_the_order_of_their_indices(tgpu_factory):
    """Whichever of them running jobs hold when the daemon comes back."""
    tgpu = tgpu_factory(gpus="simulated:4")
    jobs = [tgpu.submit("--gpus", "1", "--", "sleep", "1000") for _ in range(4)]
    for job in jobs:
        tgpu.wait_for_state(job, "running")
    held = {job: tgpu.job(job)["gpus"] for job in jobs}
    for job in jobs:
        if held[job][0]["index"] in (0, 2):
            tgpu.cli("cancel", "--now", str(job))
            tgpu.wait(job)
    tgpu.kill9()
    tgpu.start()
    gpus = tgpu.api("GET", "/v1/gpus")[1]["gpus"]
    assert [gpu["index"] for gpu in gpus] == [0, 1, 2, 3]
    pair = tgpu.submit("--gpus", "2", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES")
    assert [gpu["index"] for gpu in tgpu.wait(pair)["gpus"]] == [0, 2]


def test_the_last_runner_removes_the_group_of_a_daemon_that_is_gone(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    base = tgpu.api("GET", "/v1/status")[1]["cgroup"]
    if not base:
        pytest.skip("no cgroup can be made here")
    os.mkfifo(tgpu.dir / "fifo")
    job = tgpu.submit("--gpus", "1", "--", "sh", "-c", "read line < fifo", cwd=tgpu.dir)
    tgpu.wait_for_state(job, "running")
    runner = runner_pid(tgpu, job)
    tgpu.stop()
    assert os.path.isdir(base), "the job is in it"
    (tgpu.dir / "fifo").write_text("go\n")
    wait_gone(runner)
    assert not os.path.isdir(base)


def test_an_end_while_no_daemon_lived_is_known(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    os.mkfifo(tgpu.dir / "fifo")
    job = tgpu.submit("--gpus", "1", "--", "sh", "-c", "read line < fifo; exit 9", cwd=tgpu.dir)
    tgpu.wait_for_state(job, "running")
    runner = runner_pid(tgpu, job)
    tgpu.kill9()
    (tgpu.dir / "fifo").write_text("go\n")
    wait_gone(runner)
    tgpu.start()
    ended = tgpu.wait(job)
    assert (ended["state"], ended["exit_code"], ended["attempt"]) == ("failed", 9, 1)


@pytest.mark.parametrize("requeue", [True, False])
@pytest.mark.parametrize("daemon_lives", [True, False])
def test_a_killed_runner(tgpu_factory, requeue, daemon_lives):
    tgpu = tgpu_factory(gpus="simulated:4")
    pids = tgpu.dir / "pids"
    job = tgpu.submit("--gpus", "1", *([] if requeue else ["--no-requeue"]), "--", "sh", "-c",
                      f"echo $$ >> {pids}; echo up; [ $TGPU_RESTART_COUNT = 1 ] || exec sleep 1000")
    tgpu.wait_for_log(job, "up")
    first = runner_pid(tgpu, job)
    if not daemon_lives:
        tgpu.kill9()
    os.kill(first, signal.SIGKILL)
    wait_gone(first)
    if not daemon_lives:
        tgpu.start()
    ended = tgpu.wait(job)
    if requeue:
        assert (ended["state"], ended["attempt"]) == ("finished", 2)
    else:
        assert (ended["state"], ended["cause"]) == ("failed", "runner-lost")
    orphan = int(pids.read_text().split()[0])
    assert not pathlib.Path(f"/proc/{orphan}").exists() or orphan not in tgpu.leftovers()


@pytest.mark.parametrize("cgroup", ["auto", "none"])
def test_a_killed_runners_escapees_are_gone_before_its_gpus_are_free(tgpu_factory, cgroup):
    """Another session, another parent, and no cgroup to hold them: the mark in their environment does."""
    tgpu = tgpu_factory(gpus="simulated:4", config=f"cgroup = {cgroup}\n")
    escape = "setsid sh -c 'setsid sleep 1000 & setsid sleep 1000 & echo up; exec sleep 1000' & wait"
    job = tgpu.submit("--gpus", "4", "--no-requeue", "--", "sh", "-c", escape)
    tgpu.wait_for_log(job, "up")
    os.kill(runner_pid(tgpu, job), signal.SIGKILL)
    assert tgpu.wait(job)["cause"] == "runner-lost"
    left = [os.readlink(f"/proc/{pid}/exe") for pid in tgpu.leftovers()]
    assert all(name.endswith(("tgpud", "tgpu-probe")) for name in left), left


@pytest.mark.parametrize("requeue", [True, False])
def test_another_boot(tgpu_factory, requeue):
    """As after a reboot: nothing of the attempt lives, and the boot id in the database is another."""
    import sqlite3
    tgpu = tgpu_factory(gpus="simulated:4")
    job = tgpu.submit("--gpus", "1", *([] if requeue else ["--no-requeue"]), "--", "sh", "-c",
                      "[ $TGPU_RESTART_COUNT = 1 ] || exec sleep 1000")
    waiting = tgpu.submit("--gpus", "4", "--", "true")
    tgpu.wait_for_state(job, "running")
    runner = runner_pid(tgpu, job)
    base = tgpu.api("GET", "/v1/status")[1]["cgroup"]
    tgpu.kill9()
    children = pathlib.Path(f"/proc/{runner}/task/{runner}/children").read_text().split()
    for pid in [runner, *map(int, children)]:
        os.kill(pid, signal.SIGKILL)
        wait_gone(pid)
    if base:
        pathlib.Path(base, f"{job}.1.0").rmdir()
    with sqlite3.connect(tgpu.state / "tgpu.db") as db:
        db.execute("UPDATE job SET boot_id = '00000000-0000-0000-0000-000000000000'")
    db.close()
    tgpu.start()
    ended = tgpu.wait(job)
    if requeue:
        assert (ended["state"], ended["attempt"]) == ("finished", 2)
    else:
        assert (ended["state"], ended["cause"]) == ("failed", "node-lost")
    assert tgpu.wait(waiting)["state"] == "finished"


def test_a_second_daemon_is_refused(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    second, line = tgpu.spawn_daemon()
    assert second.wait(60) != 0
    assert "another tgpud" in line and str(tgpu.daemon.pid) in line
    assert tgpu.wait(tgpu.submit("--", "true"))["state"] == "finished"


def test_stale_sockets_do_not_block_a_start(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.kill9()
    assert tgpu.socket.exists()
    tgpu.start()
    assert tgpu.wait(tgpu.submit("--", "true"))["state"] == "finished"


def test_a_damaged_database_is_never_an_empty_queue(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.submit("--hold", "--", "true")
    tgpu.stop()
    database = tgpu.state / "tgpu.db"
    database.write_bytes(b"This is not a database" * 300)
    process, line = tgpu.spawn_daemon()
    assert process.wait(60) != 0
    assert "tgpu.db" in line and "tgpu doctor --store" in line


def test_cancel_while_the_daemon_is_away_is_not_forgotten(tgpu_factory):
    """The order to end was committed; the daemon died before or after it gave it."""
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--gpus", "1", "--grace", "500ms", "--", "sh", "-c",
                      "trap '' TERM; echo up; while :; do sleep 0.05; done")
    tgpu.wait_for_log(job, "up")
    tgpu.cli("cancel", str(job))
    tgpu.kill9()
    tgpu.start()
    assert tgpu.wait(job)["state"] == "cancelled"


def test_a_runner_that_dies_before_its_record_is_noticed(tgpu_factory):
    """Adopted by its lock, which is all there is of it: the lock is also what tells of its end."""
    import fcntl
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--gpus", "1", "--", "cmd=[ $TGPU_RESTART_COUNT = 1 ] || exec sleep 1000")
    tgpu.wait_for_state(job, "running")
    runner = runner_pid(tgpu, job)
    tgpu.kill9()
    os.kill(runner, signal.SIGKILL)
    wait_gone(runner)
    directory = tgpu.state / "jobs" / f"{job}.1"
    for name in ("runner", "started"):
        (directory / name).unlink()
    with open(directory / "lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tgpu.start()
        assert tgpu.job(job)["attempt"] == 1
    ended = tgpu.wait(job)
    assert (ended["state"], ended["attempt"]) == ("finished", 2)


def test_an_end_that_cannot_be_read_now_is_no_lost_runner(tgpu_factory):
    """As when descriptors have run out: the job is not run a second time, and its exit code is waited for."""
    tgpu = tgpu_factory(gpus="simulated:1")
    os.mkfifo(tgpu.dir / "fifo")
    job = tgpu.submit("--gpus", "1", "--", "cmd=read line < fifo; exit 9", cwd=tgpu.dir)
    tgpu.wait_for_state(job, "running")
    runner = runner_pid(tgpu, job)
    tgpu.kill9()
    (tgpu.dir / "fifo").write_text("go\n")
    wait_gone(runner)
    status = tgpu.state / "jobs" / f"{job}.1" / "status"
    status.rename(status.with_name("aside"))
    status.mkdir()  # reading it is an error, but not that of a file that is not there
    tgpu.start()
    assert tgpu.job(job)["state"] == "running"
    status.rmdir()
    status.with_name("aside").rename(status)
    ended = tgpu.wait(job)
    assert (ended["state"], ended["exit_code"], ended["attempt"]) == ("failed", 9, 1)


class OutOfDescriptors:
    """A daemon that cannot open one more; asked by a connection that it has."""

    def __init__(self, tgpu):
        self.pid, self.connection = tgpu.daemon.pid, UnixConnection(tgpu.socket)
        self.api("GET", "/v1/status")
        self.limits = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        used = {int(fd.name) for fd in pathlib.Path(f"/proc/{self.pid}/fd").iterdir()}
        lowest_free = next(fd for fd in range(len(used) + 1) if fd not in used)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (lowest_free, self.limits[1]))

    def api(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body else None)
        return json.loads(self.connection.getresponse().read())

    def submit(self):
        return self.api("POST", "/v1/jobs", {"command": ["true"], "cwd": "/", "env": {}})["id"]

    def wait_until(self, job, condition):
        while not condition(shown := self.api("GET", f"/v1/jobs/{job}")):
            assert shown["state"] in ("queued", "starting"), shown

    def wait_delayed(self, job):
        self.wait_until(job, lambda shown: any(event["event"] == "start-delayed" for event in shown["history"]))

    def end(self):
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.limits)
        self.connection.close()


def test_a_start_that_fails_for_want_of_descriptors_is_tried_again(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    shortage = OutOfDescriptors(tgpu)
    job, cancelled = shortage.submit(), shortage.submit()
    shortage.wait_delayed(job)
    shortage.wait_delayed(cancelled)
    shortage.api("POST", "/v1/jobs/cancel", {"ids": str(cancelled)})
    shortage.wait_until(cancelled, lambda shown: shown["state"] == "cancelled")
    shortage.end()
    ended = tgpu.wait(job)
    assert (ended["state"], ended["attempt"]) == ("finished", 1)
