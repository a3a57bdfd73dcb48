# SPDX-License-Identifier: MIT
"""The first command of a user starts the user's daemon; many first commands start one."""
import concurrent.futures
import json
import os
import pathlib
import select
import shutil
import sqlite3
import subprocess
import tempfile

import pytest

from harness import PATIENCE, TGPU


@pytest.fixture
def home():
    """A user without a daemon. What was started is stopped by the command that a person would use."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="tgpu-", dir="/tmp"))
    env = {"PATH": os.environ["PATH"], "HOME": str(path), "TGPU_STATE_DIR": str(path / "state"),
           "TGPU_GPUS": "simulated:2", "LC_ALL": "C"}

    def tgpu(*words, **more):
        return subprocess.run([TGPU, *words], env={**env, **more}, cwd=path, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE, check=False)

    yield tgpu
    status = tgpu("daemon", "status", "--json")
    if status.returncode == 0:
        pidfd = os.pidfd_open(json.loads(status.stdout)["pid"])
        assert tgpu("daemon", "stop").returncode == 0
        assert select.select([pidfd], [], [], PATIENCE)[0]
        os.close(pidfd)
    shutil.rmtree(path)


def test_the_first_command_starts_the_daemon_and_stop_stops_it(home):
    assert home("daemon", "status").returncode == 3
    assert home("run", "--gpus", "1", "--", "true").returncode == 0
    assert home("daemon", "status").returncode == 0
    assert home("daemon", "stop").returncode == 0
    assert home("daemon", "status").returncode == 3
    assert json.loads(home("list", "--all", "--json").stdout)["jobs"][0]["state"] == "finished"


def test_many_first_commands_start_one_daemon(home):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: home("submit", "--parsable", "--", "true"), range(8)))
    assert [one.returncode for one in done] == [0] * 8, [one.stderr for one in done]
    assert sorted(int(one.stdout) for one in done) == list(range(1, 9))


def test_a_daemon_that_cannot_start_says_why(home):
    bad = home("list", TGPU_CONFIG="/no/such/file")
    assert bad.returncode == 3 and "/no/such/file" in bad.stderr


def test_a_restart_is_another_daemon_with_the_same_jobs(home, tmp_path):
    job = home("submit", "--parsable", "--hold", "--", "true").stdout.strip()
    before = json.loads(home("daemon", "status", "--json").stdout)["pid"]
    config = tmp_path / "tgpu.conf"
    config.write_text("backfill = sometimes\n")
    refused = home("daemon", "restart", TGPU_CONFIG=str(config))
    assert refused.returncode == 1 and "it could not start again" in refused.stderr and "backfill" in refused.stderr
    assert json.loads(home("daemon", "status", "--json").stdout)["pid"] == before
    after = json.loads(home("daemon", "restart", "--json").stdout)["pid"]
    assert after != before
    assert json.loads(home("show", job, "--json").stdout)["state"] == "queued"
    assert home("daemon", "stop").returncode == 0
    assert home("daemon", "restart").returncode == 0
    assert home("daemon", "status").returncode == 0


def test_a_daemon_that_listens_elsewhere_is_told_of_at_once(home, tmp_path):
    assert home("list").returncode == 0
    status = json.loads(home("daemon", "status", "--json").stdout)
    for words in ["list"], ["daemon", "status"], ["daemon", "stop"], ["daemon", "restart"]:
        done = home(*words, TGPU_STATE_DIR=status["state_dir"], TGPU_SOCKET=str(tmp_path / "other"))
        assert done.returncode == 3
        assert f"the daemon (pid {status['pid']}) of {status['state_dir']} listens on {status['socket']}" in done.stderr


def test_a_place_where_no_daemon_can_be_is_no_missing_job(home):
    bad = home("list", TGPU_STATE_DIR="/proc/nothing/here")
    assert bad.returncode == 3 and "/proc/nothing/here" in bad.stderr and "TGPU_STATE_DIR" in bad.stderr


def test_doctor_says_that_no_daemon_could_start(home, tmp_path):
    def findings(**env):
        done = home("doctor", "--json", **env)
        return done.returncode, {one["text"]: one["level"] for one in json.loads(done.stdout)}

    code, said = findings()
    assert code == 0 and said['no daemon runs; the next command such as "tgpu list" starts yours'] == "ok"
    config = tmp_path / "tgpu.conf"
    config.write_text("polcy = fifo\n")
    code, said = findings(TGPU_CONFIG=str(config))
    assert code == 1 and said[f"{config}:1: there is no key 'polcy'; did you mean policy?"] == "fail"
    assert said["no daemon runs, and none can start until that is set right"] == "fail"
    assert home("daemon", "start").returncode == 0
    state = pathlib.Path(json.loads(home("daemon", "status", "--json").stdout)["state_dir"])
    assert home("daemon", "stop").returncode == 0
    with sqlite3.connect(state / "tgpu.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = sorted(state.iterdir())
    code, said = findings()
    assert code == 1 and any("install the newer tgpu" in text for text, level in said.items() if level == "fail"), said
    assert home("list").returncode == 3
    assert set(sorted(state.iterdir())) - set(before) <= {state / "start.lock", state / "tgpud.log"}


def test_doctor_tells_of_a_daemon_that_listens_elsewhere(home, tmp_path):
    assert home("list").returncode == 0
    done = home("doctor", TGPU_SOCKET=str(tmp_path / "other"))
    assert done.returncode == 1 and "listens on" in done.stdout and "starts yours" not in done.stdout


@pytest.mark.parametrize("gpus, sentence", [
    ("simulated:banana", "TGPU_GPUS: simulated:banana: "),
    ("banana", 'TGPU_GPUS: "banana" is not a machine'),
])
def test_a_machine_that_cannot_be_is_refused_at_once(home, gpus, sentence):
    bad = home("list", TGPU_GPUS=gpus)
    assert bad.returncode == 3
    assert f"the daemon could not start: {sentence}" in bad.stderr


def test_a_daemon_of_another_machine_is_told_of(home, tmp_path):
    config = tmp_path / "tgpu.conf"
    config.write_text("")
    first = home("daemon", "start", TGPU_CONFIG=str(config))
    assert f"config  {config}" in first.stdout and first.stderr == ""
    again = home("daemon", "start", TGPU_GPUS="simulated:3", TGPU_CONFIG="/other")
    assert again.returncode == 0
    assert "started with TGPU_GPUS=simulated:2; yours (simulated:3) counts after" in again.stderr
    assert f"started with TGPU_CONFIG={config}; yours (/other)" in again.stderr
    assert home("daemon", "status", TGPU_GPUS="simulated:3").stderr == ""
    doctor = home("doctor", TGPU_GPUS="simulated:3").stdout
    assert "2 GPUs are simulated" in doctor and f"its configuration is {config}" in doctor


def test_a_daemon_of_another_session_is_found(home):
    """Its socket is in that session's runtime directory; from cron there is none."""
    runtime = pathlib.Path(tempfile.mkdtemp(prefix="tgpu-", dir="/tmp"))
    try:
        base = {"TGPU_STATE_DIR": "", "XDG_STATE_HOME": str(runtime / "state"), "XDG_RUNTIME_DIR": str(runtime)}
        first = home("daemon", "start", **base)
        assert f"socket  {runtime}" in first.stdout
        later = home("daemon", "status", "--json", **{**base, "XDG_RUNTIME_DIR": ""})
        assert later.returncode == 0, later.stderr
        assert json.loads(later.stdout)["socket"].startswith(str(runtime))
        assert home("daemon", "stop", **{**base, "XDG_RUNTIME_DIR": ""}).returncode == 0
    finally:
        home("daemon", "stop", **base)
        shutil.rmtree(runtime)


def test_a_number_in_a_lock_that_nobody_holds_is_nobody(home, tmp_path):
    assert home("daemon", "start").returncode == 0
    pid = json.loads(home("daemon", "status", "--json").stdout)["pid"]
    other = tmp_path / "state"
    other.mkdir()
    (other / "lock").write_text(f"{pid}\n")  # as after a crash: the number is another daemon's by now
    stop = home("daemon", "stop", TGPU_STATE_DIR=str(other))
    assert (stop.returncode, "no daemon listens" in stop.stderr) == (3, True)
    assert home("run", "--", "true", TGPU_STATE_DIR=str(other)).returncode == 0
    assert home("daemon", "stop", TGPU_STATE_DIR=str(other)).returncode == 0
