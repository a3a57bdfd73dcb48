# SPDX-License-Identifier: MIT
"""Being told: hooks and notify_command get the facts and nothing else, and nothing they do costs a job anything."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

from harness import PATIENCE, TGPU, UnixConnection

pytestmark = pytest.mark.sanitize
LINE = '''printf '%s %s\\n' "$TGPU_EVENT" "$TGPU_JOB_ID" >> '''


def wait_for(path, condition):
    deadline = time.monotonic() + PATIENCE
    while not (path.exists() and condition(path.read_text())):
        assert time.monotonic() < deadline, path.read_text() if path.exists() else f"no {path}"
        os.sched_yield()
    return path.read_text()


def counter(tgpu, result):
    connection = UnixConnection(tgpu.socket)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return int(text.split(f'tgpu_hooks_total{{result="{result}"}} ')[1].split()[0])


def wait_for_counter(tgpu, result, n):
    deadline = time.monotonic() + PATIENCE
    while (now := counter(tgpu, result)) < n:
        assert time.monotonic() < deadline, f"{now} {result}\n{tgpu.daemon_log()}"


def hook(directory, name, text, mode=0o755):
    directory.mkdir(exist_ok=True)
    (directory / name).write_text("#!/bin/sh\n" + text + "\n")
    (directory / name).chmod(mode)


def test_owners_are_told_of_what_they_asked_for(tgpu_factory, tmp_path):
    told = tmp_path / "told"
    tgpu = tgpu_factory(config=f"notify_command = {LINE}{told}\n")
    for words, code in ((("--notify", "end"), 0), (("--notify", "fail"), 0), (("--notify", "fail"), 3),
                        (("--notify", "start,end"), 0), ((), 3)):
        tgpu.wait(tgpu.submit(*words, "--", f"cmd=exit {code}"))
    held = tgpu.submit("--hold", "--notify", "end", "--", "true")
    tgpu.cli("cancel", str(held))
    lines = wait_for(told, lambda text: text.count("\n") == 5).splitlines()
    assert sorted(lines) == ["cancel 6", "fail 3", "finish 1", "finish 4", "start 4"]
    wait_for_counter(tgpu, "ok", 5)
    assert counter(tgpu, "failed") == 0


def test_facts_are_in_the_environment_and_never_in_a_command(tgpu_factory, tmp_path):
    told, harm = tmp_path / "told", pathlib.Path(f"/tmp/harm{os.getpid()}")
    tgpu = tgpu_factory(config=f"notify_command = env -0 > {told}.new && mv {told}.new {told}\n",
                        daemon_env={"SECRET_OF_TGPUD": "1"})
    name = f"$(touch {harm}) `touch {harm}` '; touch {harm}; \" x"
    job = tgpu.submit("--gpus", "2", "-J", name, "--notify", "fail", "--", "cmd=exit 7")
    tgpu.wait(job)
    facts = dict(word.split("=", 1) for word in wait_for(told, bool).split("\0") if word)
    assert facts["TGPU_JOB_NAME"] == name and not harm.exists()
    assert facts["TGPU_JOB_N_TASKS"] == "1"
    assert facts["TGPU_JOB_ID"] == str(job) and facts["TGPU_JOB_EXIT_CODE"] == "7" and facts["TGPU_JOB_CAUSE"] == "exit"
    assert facts["TGPU_EVENT"] == "fail" and facts["TGPU_JOB_GPUS"] == "0,1" and facts["TGPU_JOB_UID"] == str(os.getuid())
    assert facts["TGPU_JOB_STATE"] == "failed"
    assert "SECRET_OF_TGPUD" not in facts and "TGPU_JOB_SIGNAL" not in facts


def test_every_program_of_the_directory_is_run_and_none_harms_another(tgpu_factory, tmp_path):
    hooks, told = tmp_path / "hooks", tmp_path / "told"
    hook(hooks, "10-bad", "exit 9")
    hook(hooks, "20-good.sh", LINE + str(told))
    hook(hooks, "30-off", "echo off >> " + str(told), mode=0o644)
    tgpu = tgpu_factory(config=f"hooks_dir = {hooks}\n")
    assert tgpu.wait(tgpu.submit("--", "true"))["state"] == "finished"
    lines = wait_for(told, lambda text: text.count("\n") == 2).splitlines()
    assert sorted(lines) == ["finish 1", "start 1"]
    wait_for_counter(tgpu, "failed", 2)
    assert f'a hook failed job=1 hook="{hooks}/10-bad" status=9\n' in tgpu.daemon_log()
    assert "20-good" not in tgpu.daemon_log()


def test_the_log_names_the_one_that_failed_and_how(tgpu_factory, tmp_path):
    hooks = tmp_path / "hooks"
    hook(hooks, "1-killed", '[ "$TGPU_EVENT" != finish ] || kill -9 $$')
    hook(hooks, "2-good", "ls -l /proc/self/fd >&2")
    hook(hooks, "3-hangs", '[ "$TGPU_EVENT" != finish ] || exec sleep 1000')
    hook(hooks, "4-never", "exit 5")
    tgpu = tgpu_factory(config=f"hooks_dir = {hooks}\nhook_timeout = 300ms\nnotify_command = exit 7\n")
    tgpu.wait(tgpu.submit("--notify", "end", "--", "true"))
    wait_for_counter(tgpu, "failed", 3)
    failed = sorted(line.split("failed ")[1] for line in tgpu.daemon_log().splitlines() if "a hook failed" in line)
    assert failed == [f'job=1 hook="{hooks}/1-killed" signal=9',
                      f'job=1 hook="{hooks}/3-hangs" signal=9 reason="hook_timeout"',
                      f'job=1 hook="{hooks}/4-never" status=5', 'job=1 hook="notify_command" status=7']
    assert "memfd" not in tgpu.daemon_log(), "a hook inherits nothing"


def test_a_directory_that_is_not_there(tgpu_factory, tmp_path):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    tgpu = tgpu_factory(config=f"hooks_dir = {hooks}\n")
    hooks.rmdir()
    tgpu.wait(tgpu.submit("--", "true"))
    wait_for_counter(tgpu, "failed", 2)
    assert f'a hook failed job=1 hook="{hooks}" status=2' in tgpu.daemon_log()
    for make in (lambda: None, hooks.touch):
        make()
        if tgpu.daemon:
            tgpu.stop()
        process, said = tgpu.spawn_daemon()
        assert process.wait(PATIENCE) != 0 and "hooks_dir" in said and str(hooks) in said and "none" in said
    hooks.unlink()
    hooks.mkdir()
    tgpu.start()


WARNING = "tgpu: warning: notify: nobody will be told"


def test_whoever_wishes_what_nobody_does_is_warned(tgpu_factory):
    tgpu = tgpu_factory()
    for words in (("submit", "--notify", "end"), ("run", "--notify", "end"), ("submit", "--hold", "--parsable", "--notify", "end")):
        done = tgpu.cli(*words, "--", "true")
        assert done.returncode == 0 and done.stderr.count(WARNING) == 1 and "notify_command" in done.stderr
    assert tgpu.cli("submit", "--", "true").stderr == ""
    done = tgpu.cli("update", "3", "--notify", "fail")
    assert done.returncode == 0 and WARNING in done.stderr
    assert tgpu.cli("update", "3", "--priority", "1").stderr == ""
    tgpu.config.write_text("notify_command = true\n")
    tgpu.restart()
    for words in (("submit", "--notify", "end", "--", "true"), ("update", "3", "--notify", "end")):
        assert tgpu.cli(*words).stderr == ""


def told(tgpu):
    """[(level, text)] of what tgpu doctor says of this."""
    findings = json.loads(tgpu.cli("doctor", "--json").stdout)
    return [(one["level"], one["text"]) for one in findings
            if any(word in one["text"] for word in ("notif", "hook", "metrics", "event"))]


def test_doctor_says_who_is_told_what(tgpu_factory, tmp_path):
    assert [level for level, _ in told(tgpu_factory())] == ["ok", "ok"]
    hooks = tmp_path / "hooks"
    hook(hooks, "off", "true", mode=0o644)
    tgpu = tgpu_factory(config=f"notify_command = exit 7\nhooks_dir = {hooks}\n")
    (owners, directory, metrics) = told(tgpu)
    assert owners[0] == "ok" and "by notify_command" in owners[1]
    assert directory[0] == "warn" and f"no file in {hooks} is executable" in directory[1]
    assert metrics == ("ok", "metrics are on the socket only: metrics_listen is not set")
    (hooks / "off").chmod(0o755)
    assert told(tgpu)[1] == ("ok", f"1 program in {hooks} is run for each event of a job")
    tgpu.wait(tgpu.submit("--notify", "end", "--", "true"))
    wait_for_counter(tgpu, "failed", 1)
    assert ("warn", "hooks and notifications since tgpud began: 1 failed, 0 left out") in told(tgpu)


def test_one_that_hangs_is_killed_with_all_it_started(tgpu_factory, tmp_path):
    pids = tmp_path / "pids"
    tgpu = tgpu_factory(config=f"notify_command = sleep 1000 & echo $! $$ > {pids}; wait\nhook_timeout = 300ms\n")
    tgpu.wait(tgpu.submit("--notify", "end", "--", "true"))
    wait_for_counter(tgpu, "failed", 1)
    assert "hook_timeout" in tgpu.daemon_log()
    deadline = time.monotonic() + PATIENCE
    for pid in wait_for(pids, str.strip).split():
        while os.path.exists(f"/proc/{pid}") and " Z " not in open(f"/proc/{pid}/stat", encoding="ascii").read():
            assert time.monotonic() < deadline


def test_slow_hooks_keep_no_job_waiting(tgpu_factory, tmp_path):
    hooks, fifo = tmp_path / "hooks", tmp_path / "fifo"
    os.mkfifo(fifo)
    hook(hooks, "wait", f"exec cat {fifo}")
    tgpu = tgpu_factory(config=f"hooks_dir = {hooks}\n")
    for _ in range(10):
        assert tgpu.wait(tgpu.submit("--", "true"))["state"] == "finished"
    assert counter(tgpu, "ok") == 0
    tgpu.stop()  # ends what runs; the harness finds what would be left
    tgpu.start()


def test_the_wish_is_kept_and_can_be_changed(tgpu_factory, tmp_path):
    told = tmp_path / "told"
    tgpu = tgpu_factory(config=f"notify_command = {LINE}{told}\n")
    kept = tgpu.submit("--hold", "--notify", "end", "--", "true")
    changed = tgpu.submit("--hold", "--", "true")
    assert tgpu.cli("update", str(changed), "--notify", "start").returncode == 0
    tgpu.kill9()
    tgpu.start()
    assert tgpu.job(kept)["spec"]["notify"] == "end"
    tgpu.cli("release", f"{kept},{changed}")
    lines = wait_for(told, lambda text: text.count("\n") == 2).splitlines()
    assert sorted(lines) == [f"finish {kept}", f"start {changed}"]


@pytest.mark.parametrize("value", ["never", "end,", "", "end;fail"])
def test_a_wish_that_makes_no_sense_is_refused(tgpu_factory, value):
    done = tgpu_factory().cli("submit", "--notify", value, "--", "true")
    assert done.returncode != 0 and "notify" in done.stderr and "end" in done.stderr


@pytest.fixture
def open_directory():
    """Where everybody may write, as pytest's own directories are for one user."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="tgpu-", dir="/tmp"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_command_runs_as_the_owner(tgpu_factory, open_directory):
    told = open_directory / "told"
    tgpu = tgpu_factory(arguments=["--system"], config=f"notify_command = echo $(id -u) $(id -g) $(id -G) >> {told}\n")
    os.chmod(tgpu.dir, 0o755)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--groups=60001", TGPU, "submit", "--notify", "end",
                           "--", "true"], env={**tgpu.env, "HOME": "/nonexistent"}, cwd="/", capture_output=True, text=True,
                          timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    words = wait_for(told, lambda text: text.endswith("\n")).split()
    assert words[:2] == ["65534", "65534"] and set(words[2:]) == {"65534", "60001"}


def test_owners_hear_of_idle_jobs_where_that_is_wanted(tgpu_factory, tmp_path):
    told, machine = tmp_path / "told", tmp_path / "machine"
    machine.write_text("gpu\nload gpu=0 util=0\n")
    tgpu = tgpu_factory(gpus=f"simulated:{machine}", config=f"notify_command = {LINE}{told}\n"
                        "probe_interval = 100ms\nidle_after = 200ms\nidle_action = notify\n")
    job = tgpu.submit("--gpus", "1", "--notify", "fail", "--", "sleep", "1000")
    assert wait_for(told, bool) == f"idle {job}\n"


def test_one_line_per_event_and_levels_for_the_journal(tgpu_factory):
    tgpu = tgpu_factory()
    tgpu.wait(tgpu.submit("--", "true"))
    for event in ("submit", "place", "start", "finish"):
        assert sum(f"job {event} job=1 " in line for line in tgpu.daemon_log().splitlines()) == 1
    assert "tgpud info: job start job=1" in tgpu.daemon_log()
    log = (tgpu.dir / "tgpud.log").stat()
    tgpu.restart(JOURNAL_STREAM=f"{log.st_dev}:{log.st_ino}")
    tgpu.wait(tgpu.submit("--", "true"))
    assert "\n<6>job start job=2 " in tgpu.daemon_log()
    tgpu.restart(JOURNAL_STREAM=f"{log.st_dev}:{log.st_ino + 1}")
    tgpu.wait(tgpu.submit("--", "true"))
    assert "tgpud info: job start job=3" in tgpu.daemon_log(), "inherited, but this stderr is no journal"
