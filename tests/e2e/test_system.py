# SPDX-License-Identifier: MIT
"""The daemon of the whole machine: root serves many users, and a job is its user's in every respect."""
import json
import os
import subprocess

import pytest

from harness import PATIENCE, TGPU

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

NOBODY, NOGROUP, EXTRA = 65534, 65534, 60001


class SystemTgpu:
    """A daemon started with --system by root; users talk to it as themselves."""

    def __init__(self, tgpu):
        self.tgpu = tgpu

    def cli_as(self, uid, *words, cwd="/"):
        return subprocess.run(
            ["setpriv", f"--reuid={uid}", f"--regid={NOGROUP}", f"--groups={EXTRA}", TGPU, *words],
            env={**self.tgpu.env, "HOME": "/nonexistent"}, cwd=cwd, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=PATIENCE, check=False)

    def submit_as(self, uid, *words, cwd="/"):
        done = self.cli_as(uid, "submit", "--parsable", *words, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)


@pytest.fixture
def system(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2", arguments=["--system"])
    os.chmod(tgpu.dir, 0o755)
    return SystemTgpu(tgpu)


def test_a_job_runs_as_its_user_with_its_groups_and_no_way_back(system):
    job = system.submit_as(NOBODY, "--gpus", "1", "--", "sh", "-c",
                           "id -u; id -g; id -G; grep CapEff /proc/self/status; cat /proc/self/loginuid 2>/dev/null; true")
    shown = system.tgpu.wait(job)
    assert shown["uid"] == NOBODY and shown["exit_code"] == 0
    lines = system.tgpu.log_of(job).split("\n")
    assert lines[:2] == [str(NOBODY), str(NOGROUP)]
    assert set(lines[2].split()) == {str(NOGROUP), str(EXTRA)}
    assert int(lines[3].split()[1], 16) == 0


def test_the_log_belongs_to_the_user_and_to_nobody_else(system):
    job = system.submit_as(NOBODY, "--", "echo", "mine")
    system.tgpu.wait(job)
    log = system.tgpu.log_path(job).stat()
    assert (log.st_uid, log.st_mode & 0o077) == (NOBODY, 0)
    assert system.cli_as(NOBODY, "logs", str(job)).stdout == "mine\n"


def test_a_log_directory_that_a_kill_left_to_root_is_given_away(system):
    assert system.tgpu.wait(system.submit_as(NOBODY, "--", "true"))["exit_code"] == 0
    os.chown(system.tgpu.state / "logs" / str(NOBODY), 0, 0)
    ended = system.tgpu.wait(system.submit_as(NOBODY, "--", "true"))
    assert ended["exit_code"] == 0, ended["message"]


def test_a_script_can_be_executed_by_its_user(system, tmp_path):
    script = system.tgpu.dir / "job.sh"
    script.write_text("#!/bin/sh\n#TGPU --name scripted\nid -u\n")
    os.chmod(script, 0o644)
    job = system.submit_as(NOBODY, str(script))
    assert system.tgpu.wait(job)["exit_code"] == 0
    assert system.tgpu.log_of(job) == f"{NOBODY}\n"


def test_users_may_see_but_not_touch_each_other(system):
    job = system.submit_as(NOBODY, "--hold", "--", "sleep", "1000")
    other = system.cli_as(1234, "cancel", str(job))
    assert other.returncode == 5 and "another user" in other.stderr
    shown = system.cli_as(1234, "show", str(job), "--json")
    spec = json.loads(shown.stdout)
    spec = spec.get("spec", spec)
    assert "env" not in spec
    assert system.tgpu.job(job)["state"] == "queued"
    assert system.cli_as(NOBODY, "cancel", str(job)).returncode == 0


def test_users_can_pass_through_the_directories_that_the_daemon_makes(system):
    made = system.tgpu.dir / "made"
    process, line = system.tgpu.spawn_daemon(TGPU_STATE_DIR=str(made / "state"), TGPU_SOCKET=str(made / "run" / "s"))
    try:
        assert line == "ready"
        modes = [(made / name).stat().st_mode & 0o777 for name in (".", "state", "run", "run/s")]
        assert modes == [0o755, 0o711, 0o755, 0o666]
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_a_users_log_path_is_opened_with_the_users_rights(system):
    victim = system.tgpu.dir / "victim"
    victim.write_text("root's own\n")
    os.chmod(victim, 0o600)
    yard = system.tgpu.dir / "yard"
    yard.mkdir()
    os.chown(yard, NOBODY, NOGROUP)
    (yard / "out").symlink_to(victim)
    job = system.submit_as(NOBODY, "--output", str(yard / "out"), "--", "echo", "gotcha")
    ended = system.tgpu.wait(job)
    assert ended["cause"] == "launch" and "out" in ended["message"]
    assert victim.read_text() == "root's own\n"


def test_a_users_own_daemon_serves_nobody_else(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    os.chmod(tgpu.dir, 0o755)
    os.chmod(tgpu.socket, 0o666)  # even if somebody opened the door
    done = SystemTgpu(tgpu).cli_as(NOBODY, "list")
    assert done.returncode == 5 and "serves user 0 only" in done.stderr
