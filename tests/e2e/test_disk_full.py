# SPDX-License-Identifier: MIT
"""A disk that is full or read-only: tgpud says so and stops, and what it acknowledged is there when it can write again.

tests/helpers/crashpoint.c lets the Nth write and all later ones fail; RLIMIT_FSIZE does so to a daemon that starts.
"""
import http.client
import os
import re
import subprocess

import pytest

from harness import BUILD, PATIENCE

LIBRARY = BUILD / "tests" / "helpers" / "libcrashpoint.so"
pytestmark = pytest.mark.skipif("sanitize" in str(BUILD), reason="a sanitizer must be loaded first")

SENTENCES = {"full": r"store .*/tgpu\.db: .*full.*; free space",
             "read-only": r"store .*/tgpu\.db: .*; (check its disk|make)"}


def submit_until_it_stops(tgpu, most=200):
    """The ids that were acknowledged before the daemon gave up."""
    acknowledged = []
    for _ in range(most):
        try:
            status, job = tgpu.api("POST", "/v1/jobs", {"command": ["true"], "cwd": "/", "env": {}, "hold": True,
                                                        "output": "/dev/null"})
        except (OSError, http.client.HTTPException):
            break
        if status != 201:
            break
        acknowledged.append(job["id"])
    assert tgpu.daemon.wait(PATIENCE) == 1, tgpu.daemon_log()
    tgpu.daemon = None
    return acknowledged


@pytest.mark.parametrize("number", [1, 12, 57])
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_disk_that_fails_while_tgpud_runs(tgpu_factory, how, number):
    tgpu = tgpu_factory(gpus="simulated:2")
    running = tgpu.submit("-G", "1", "--", "sleep", "1000")
    tgpu.wait_for_state(running, "running")
    tgpu.restart(LD_PRELOAD=str(LIBRARY), TGPU_CRASH_POINT=f"pwrite64:{how}:{number + 40}")
    acknowledged = submit_until_it_stops(tgpu)
    assert acknowledged
    assert re.search(SENTENCES[how], tgpu.daemon_log()), tgpu.daemon_log()
    tgpu.start()
    assert tgpu.job(running)["state"] == "running"
    assert tgpu.cli("release", f"{acknowledged[0]}-{acknowledged[-1]}").returncode == 0
    for job in acknowledged:
        assert tgpu.wait(job)["state"] == "finished"
    assert tgpu.job(running)["attempt"] == 1


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_disk_that_fails_when_tgpud_starts(tgpu_factory, how, number):
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--hold", "--", "true")
    tgpu.stop()
    process, line = tgpu.spawn_daemon(LD_PRELOAD=str(LIBRARY), TGPU_CRASH_POINT=f"pwrite64:{how}:{number}")
    if line == "ready":  # it has not written so much yet
        process.terminate()
        assert process.wait(PATIENCE) == 0
    else:
        assert process.wait(PATIENCE) == 1
        lock = {"full": "No space left", "read-only": "Read-only"}[how] + ".*; make room there, or set TGPU_STATE_DIR"
        assert re.search(f"/lock: {lock}" if number == 1 else SENTENCES[how], line), line
    assert number > 1 or line != "ready"
    tgpu.start()
    assert tgpu.job(job)["state"] == "queued"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_read_only_file_system(tgpu_factory):
    """In a mount namespace of its own, which takes the mount with it."""
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--hold", "--", "true")
    tgpu.stop()
    state = str(tgpu.state)

    def within(*command):
        script = f"mount --bind {state} {state} && mount -o remount,ro,bind {state} && exec \"$@\""
        return subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", *command], capture_output=True,
                              text=True, env={**tgpu.env, **tgpu.daemon_env}, timeout=PATIENCE, check=False)

    if within("true").returncode != 0:
        pytest.skip("no mount namespaces here")
    started = within(BUILD / "daemon" / "tgpud")
    assert started.returncode == 1
    assert "Read-only file system" in started.stderr and "TGPU_STATE_DIR" in started.stderr, started.stderr
    looked = within(BUILD / "cli" / "tgpu", "doctor", "--store")
    assert looked.returncode == 1
    assert "cannot be written: Read-only file system" in looked.stdout and "1 queued" in looked.stdout, looked.stdout
    tgpu.start()
    assert tgpu.job(job)["state"] == "queued"
