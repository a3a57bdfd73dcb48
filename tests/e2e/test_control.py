# SPDX-License-Identifier: MIT
"""What people do to jobs and GPUs: requeue, update, retries, unique, hold, drain; and what jobs see of it."""
import os
import pwd
import re
import sqlite3
import time

import pytest

from harness import PATIENCE

pytestmark = pytest.mark.sanitize


def test_a_requeued_job_begins_again_under_its_id(tgpu_factory, tmp_path):
    tgpu = tgpu_factory()
    job = tgpu.submit("--gpus", "1", "--", f"cmd=echo run $TGPU_RESTART_COUNT; test $TGPU_RESTART_COUNT = 1 || "
                      f"sleep 1000")
    tgpu.wait_for_log(job, "run 0")
    done = tgpu.cli("requeue", "--now", str(job))
    assert done.returncode == 0, done.stderr
    over = tgpu.wait(job)
    assert (over["state"], over["exit_code"], over["attempt"]) == ("finished", 0, 2)
    assert tgpu.log_of(job).split("\n")[:2] == ["run 0", "run 1"]
    assert tgpu.cli("requeue", str(job)).returncode == 1


def test_the_last_attempt_of_a_job_that_waits_again_is_shown_as_past(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--gpus", "1", "--", "sleep", "1000")
    tgpu.wait_for_state(job, "running")
    tgpu.submit("--gpus", "1", "--priority", "9", "--", "sleep", "1000")
    tgpu.cli("requeue", "--now", str(job))
    tgpu.wait_for_state(job, "queued")
    lines = tgpu.cli("show", str(job)).stdout.split("history")[0].splitlines()[1:]
    shown = {line[:12].strip(): line[13:] for line in lines}
    assert shown["state"] == "queued" and shown["waits for"] == "needs 1 GPU, 0 free"
    assert re.fullmatch(r"1 on \S+, GPU 0 \(simulated\), from [\d:]+ to [\d:]+", shown["last attempt"])
    assert shown["it ended by"] == "an order to begin again"
    assert not {"started", "ended", "ran for", "node", "GPUs", "attempt", "GPU use"} & set(shown)
    for words in ([], ["--start"]):
        head, *rows = (line.split() for line in tgpu.cli("list", *words).stdout.splitlines())
        row = next(row for row in rows if row[0] == str(job))
        assert row[head.index("START" if words else "TIME")] == "-"


def test_who_is_cancelled_while_waiting_again_has_not_run_until_then(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--gpus", "1", "--", "cmd=echo up; sleep 1000")
    tgpu.wait_for_log(job, "up")
    first = tgpu.submit("--gpus", "1", "--priority", "9", "--", "sleep", "1000")
    assert tgpu.cli("requeue", "--now", str(job)).returncode == 0
    tgpu.wait_for_state(first, "running")
    assert tgpu.cli("cancel", str(job)).returncode == 0
    ended = tgpu.wait(job)
    assert (ended["start_ms"], ended["state"]) == (None, "cancelled")
    logs = tgpu.cli("logs", str(job))
    assert (logs.stdout, "did not start: cancelled by" in logs.stderr) == ("up\n", True)
    shown = tgpu.cli("show", str(job)).stdout
    assert "ran for" not in shown
    assert f"stop: to begin again, by {pwd.getpwuid(os.geteuid()).pw_name}\n" in shown


def test_requeue_is_refused_for_who_waits_or_is_cancelled(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    running = tgpu.submit("--gpus", "1", "--grace", "1h", "--", "cmd=trap '' TERM; echo deaf; sleep 1000 & wait; wait")
    waiting = tgpu.submit("--gpus", "1", "--", "true")
    done = tgpu.cli("requeue", str(waiting))
    assert done.returncode == 1 and "waits already" in done.stderr
    tgpu.wait_for_log(running, "deaf")
    tgpu.cli("cancel", str(running))
    done = tgpu.cli("requeue", str(running))
    assert done.returncode == 1 and "being cancelled" in done.stderr


def test_retries_are_counted_and_end(tgpu_factory):
    tgpu = tgpu_factory()
    job = tgpu.submit("--retries", "2", "--", "cmd=echo run $TGPU_RESTART_COUNT; exit 3")
    over = tgpu.wait(job)
    assert (over["state"], over["exit_code"], over["attempt"], over["retried"]) == ("failed", 3, 3, 2)
    assert tgpu.log_of(job).split() == ["run", "0", "run", "1", "run", "2"]
    job = tgpu.submit("--retries", "5", "--", "cmd=test $TGPU_RESTART_COUNT = 1")
    over = tgpu.wait(job)
    assert (over["state"], over["attempt"]) == ("finished", 2)


def test_retries_survive_a_restart(tgpu_factory):
    tgpu = tgpu_factory()
    job = tgpu.submit("--retries", "1", "--", "cmd=test $TGPU_RESTART_COUNT = 0 && exit 4; echo second; sleep 1000")
    tgpu.wait_for_log(job, "second")
    tgpu.kill9()
    tgpu.start()
    shown = tgpu.job(job)
    assert (shown["state"], shown["retries"], shown["retried"]) == ("running", 1, 1)


def test_no_retry_for_what_would_fail_again(tgpu_factory):
    tgpu = tgpu_factory()
    missing = tgpu.wait(tgpu.submit("--retries", "3", "--", "/no/such/program"))
    assert (missing["state"], missing["cause"], missing["attempt"]) == ("failed", "launch", 1)
    late = tgpu.wait(tgpu.submit("--retries", "3", "--time", "1s", "--grace", "0", "--", "sleep", "1000"))
    assert (late["state"], late["cause"], late["attempt"]) == ("failed", "timeout", 1)


def test_a_waiting_job_is_changed(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    first = tgpu.submit("--gpus", "2", "--", "sleep", "1000")
    low = tgpu.submit("--gpus", "2", "--name", "low", "--", "echo", "low")
    high = tgpu.submit("--gpus", "2", "--", "echo", "high")
    done = tgpu.cli("update", str(high), "--priority", "9", "--time", "2h", "--name", "better")
    assert done.returncode == 0, done.stderr
    shown = tgpu.job(high)
    assert (shown["priority"], shown["time_limit_ms"], shown["name"]) == (9, 7200000, "better")
    assert shown["spec"]["priority"] == 9
    _, queue = tgpu.api("GET", "/v1/jobs?order=queue&state=queued")
    assert [job["id"] for job in queue["jobs"]] == [high, low]
    tgpu.kill9()
    tgpu.start()
    assert tgpu.job(high)["priority"] == 9
    done = tgpu.cli("update", str(first), "--priority", "1")
    assert done.returncode == 1 and "waiting" in done.stderr
    tgpu.cli("cancel", "--now", str(first))
    assert tgpu.wait(high)["name"] == "better"
    assert tgpu.wait(low)["state"] == "finished"


def test_what_is_done_to_a_held_job_says_that_it_is_held(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.submit("--gpus", "1", "--", "sleep", "1000")
    job = tgpu.submit("--gpus", "1", "--", "true")
    assert tgpu.cli("hold", str(job)).stdout == f"job {job} held\n"
    assert tgpu.cli("hold", str(job)).stdout == f"job {job} held\n"
    assert tgpu.cli("update", str(job), "--priority", "3").stdout == f"job {job} held\n"
    assert tgpu.cli("release", str(job)).stdout == f"job {job} queued\n"


def test_an_update_tells_of_places_that_are_not_there(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--hold", "--", "true")
    done = tgpu.cli("update", str(job), "--chdir", "/no/such", "--output", "a/b/%j.log")
    assert done.returncode == 0
    assert "chdir: there is no directory /no/such (yet)" in done.stderr
    assert "output: there is no directory /no/such/a/b (yet)" in done.stderr
    assert tgpu.cli("update", str(job), "--output", "a/b.log").stderr == ""


def test_an_update_is_checked_like_a_submission(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--gpus", "1", "--hold", "--", "true")
    before = tgpu.job(job)
    done = tgpu.cli("update", str(job), "--gpus", "3")
    assert done.returncode == 2 and "largest node has 2" in done.stderr
    done = tgpu.cli("update", str(job), "--env", "A=b")
    assert done.returncode == 2 and "cannot be changed" in done.stderr
    assert tgpu.cli("update", str(job)).returncode == 2
    assert tgpu.cli("update", str(job), "--gpus", "3", "--json").returncode == 2
    assert not re.search("--(env|array|unique|.no-.hold)", tgpu.cli("help", "update").stdout)
    for key, value, instead in ("hold", False, "tgpu release"), ("args", [], "submit a new job"):
        status, answer = tgpu.api("POST", "/v1/jobs/update", {"ids": str(job), "set": {key: value}})
        assert status == 400 and "cannot be changed" in answer["error"] and instead in answer["error"]
    status, answer = tgpu.api("POST", "/v1/jobs/update", {"ids": str(job), "set": {"num_gpu": 2}})
    assert status == 200 and "num_gpus" in answer["results"][0]["error"]
    assert tgpu.job(job) == before


def test_unique_finds_the_job_that_is_there(tgpu_factory):
    tgpu = tgpu_factory()
    job = tgpu.submit("--unique", "--name", "nightly", "--hold", "--", "true")
    assert tgpu.submit("--unique", "--name", "nightly", "--", "true") == job
    assert tgpu.submit("--name", "nightly", "--hold", "--", "true") != job
    said = tgpu.cli("submit", "--unique", "--name", "nightly", "--", "true")
    assert (said.returncode, said.stdout) == (0, f"job {job} (nightly) is there already, held; nothing was submitted\n")
    tgpu.cli("cancel", "--me", "--state", "queued")
    assert tgpu.submit("--unique", "--name", "nightly", "--", "true") > job + 1
    tasks = tgpu.submit("--unique", "--name", "sweep", "--array", "0-2", "--hold", "--", "true")
    said = tgpu.cli("submit", "--unique", "--name", "sweep", "--", "true").stdout
    assert said == f"jobs {tasks}-{tasks + 2} (sweep) are there already, the first held; nothing was submitted\n"


def test_run_says_that_it_follows_the_unique_job_that_is_there(tgpu_factory):
    tgpu = tgpu_factory()
    os.mkfifo(tgpu.dir / "gate")
    job = tgpu.submit("--unique", "--name", "nightly", "--", "cmd=read code <gate; exit $code", cwd=tgpu.dir)
    tgpu.wait_for_state(job, "running")
    run = tgpu.popen("run", "--unique", "--name", "nightly", "--", "true")
    assert run.stderr.readline() == f"tgpu: job {job} (nightly) is there already, running; nothing was submitted\n"
    (tgpu.dir / "gate").write_text("7\n")
    run.communicate(timeout=60)
    assert run.returncode == 7


def test_an_answer_says_what_it_was_found_by(tgpu_factory):
    tgpu = tgpu_factory()
    body = {"command": ["true"], "cwd": "/", "env": {}, "hold": True, "name": "x", "unique": True}
    status, first = tgpu.api("POST", "/v1/jobs", body, {"Idempotency-Key": "k"})
    assert status == 201 and "found_by" not in first
    status, again = tgpu.api("POST", "/v1/jobs", body, {"Idempotency-Key": "k"})
    assert (status, again["id"], again["found_by"]) == (200, first["id"], "key")
    status, other = tgpu.api("POST", "/v1/jobs", body)
    assert (status, other["id"], other["found_by"]) == (200, first["id"], "unique")


def test_cancel_now_is_remembered_by_the_next_daemon(tgpu_factory):
    tgpu = tgpu_factory()
    job = tgpu.submit("--grace", "1h", "--", "cmd=trap '' TERM; echo deaf; while :; do sleep 1000; done")
    tgpu.wait_for_log(job, "deaf")
    runner = (tgpu.state / "jobs" / f"{job}.1" / "runner").read_text()
    pid = int(dict(line.split("=", 1) for line in runner.split())["pid"])
    import os
    import signal
    os.kill(pid, signal.SIGSTOP)  # so that it cannot obey before the daemon is gone
    assert tgpu.cli("cancel", "--now", str(job)).returncode == 0
    tgpu.kill9()
    os.kill(pid, signal.SIGCONT)
    tgpu.start()
    assert tgpu.wait(job)["state"] == "cancelled"


def test_a_drained_gpu_takes_no_job_until_it_is_resumed(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    running = tgpu.submit("--gpus", "1", "--", "cmd=echo up; sleep 1000")
    tgpu.wait_for_log(running, "up")
    done = tgpu.cli("drain", "all", "--reason", "new fan")
    assert done.returncode == 0 and f"job {running} goes on" in done.stdout
    who = pwd.getpwuid(os.geteuid()).pw_name
    assert f"drained (by {who}: new fan)" in done.stdout
    assert f"drained (by {who}: new fan)" in tgpu.cli("drain", "1").stdout, "nothing said is nothing forgotten"
    assert f"drained (by {who}: new fan)" in tgpu.cli("gpus").stdout
    waiting = tgpu.submit("--gpus", "1", "--", "true")
    assert "new fan" in tgpu.cli("why", str(waiting)).stdout
    tgpu.kill9()
    tgpu.start()
    _, answer = tgpu.api("GET", "/v1/gpus")
    assert {gpu["state"] for gpu in answer["gpus"]} == {"drained"}
    assert tgpu.job(running)["state"] == "running" and tgpu.job(waiting)["state"] == "queued"
    resumed = tgpu.cli("resume", "0,1").stdout
    assert "allocated" in resumed and "goes on there" not in resumed
    done = tgpu.cli("drain", "7")
    assert done.returncode == 4 and "no GPU '7'" in done.stderr
    assert tgpu.cli("resume", "0", "gpu1").returncode == 0
    assert tgpu.wait(waiting)["state"] == "finished"


def test_a_vanished_gpu_does_not_answer_to_the_index_of_another(tgpu_factory, tmp_path):
    """GPU 0 is pulled out, so another is GPU 0 from then on: it is the one that is meant."""
    file = tmp_path / "machine"
    text = "gpu uuid=A\ngpu uuid=B\n"
    file.write_text(text)
    tgpu = tgpu_factory(gpus=f"simulated:{file}", config="probe_interval = 100ms\n")
    new = tmp_path / "new"
    new.write_text(text + "absent gpu=0\n")
    new.rename(file)

    def states():
        return {gpu["uuid"]: (gpu["index"], gpu["state"]) for gpu in tgpu.api("GET", "/v1/gpus")[1]["gpus"]}

    deadline = time.monotonic() + PATIENCE
    while (seen := states())["A"][1] != "lost":
        assert time.monotonic() < deadline, seen
    assert seen["B"] == (0, "idle")
    assert tgpu.cli("drain", "0").returncode == 0
    assert states() == {"A": (0, "lost"), "B": (0, "drained")}
    assert tgpu.cli("resume", "0").returncode == 0
    assert states()["B"] == (0, "idle")


def test_an_order_to_all_that_ever_ran_is_answered_in_bounds(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.wait(tgpu.submit("--", "true"))
    tgpu.stop()
    with sqlite3.connect(tgpu.state / "tgpu.db") as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(job)") if row[1] not in ("id", "key")]
        names = ", ".join(columns)
        db.execute("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) "
                   f"INSERT INTO job (id, {names}) SELECT i, {names} FROM n, job WHERE job.id = 1")
        db.execute("UPDATE meta SET last_id = 50000")
    db.close()
    tgpu.start()
    living = tgpu.submit("--hold", "--", "true")
    ranges = f"1-9999,10001-19999,20001-29999,40000-{2**53}"
    results = tgpu.api("POST", "/v1/jobs/cancel", {"ids": ranges})[1]["results"]
    assert len(results) <= 20001
    assert [one["id"] for one in results if one["ok"]] == [living]
    last = tgpu.api("POST", "/v1/jobs/cancel", {"ids": "49990,50001,50005"})[1]["results"]
    assert [one["status"] for one in last] == [409, 409, 404]


def test_waiting_for_whoever_is_left_when_nobody_is(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    assert tgpu.cli("wait", "--me").returncode == 0
    job = tgpu.submit("--", "sh", "-c", "exit 3")
    tgpu.wait(job)
    assert tgpu.cli("wait", "--me").returncode == 0, "it is over"
    assert tgpu.cli("wait", str(job)).returncode == 3
    assert tgpu.cli("wait", "2").returncode == 4 and tgpu.cli("cancel", "--me").returncode == 4


def test_a_change_of_many_jobs_is_bounded(tgpu_factory):
    """What it waits for is looked up once; what it writes for each job is counted before anything is done."""
    tgpu = tgpu_factory(gpus="simulated:1")
    first = tgpu.submit("--", "true")
    tgpu.wait(first)
    tgpu.submit("--array", "0-999", "--hold", "--", "true")
    for job in range(first + 1, first + 41, 2):  # records of their own
        assert tgpu.api("POST", "/v1/jobs/update", {"ids": str(job), "set": {"priority": 1}})[0] == 200
    too_much = {"ids": f"{first + 1}-{first + 1000}", "set": {"command": ["x" * 100000] * 20}}
    status, answer = tgpu.api("POST", "/v1/jobs/update", too_much)
    assert (status, "name fewer" in answer["error"]) == (413, True)
    after = {"ids": f"{first + 1}-{first + 1000}", "set": {"after": f"afterany:{first}"}}
    status, answer = tgpu.api("POST", "/v1/jobs/update", after)
    assert status == 200 and all(result["ok"] for result in answer["results"])
    assert sum(result["n_tasks"] for result in answer["results"]) == 1000


def test_nobody_waits_for_who_comes_later(tgpu_factory):
    """What a change of many jobs looks up once holds for those behind the first that it was looked up for."""
    tgpu = tgpu_factory(gpus="simulated:1")
    assert tgpu.submit("--array", "0-9", "--hold", "--", "true") == 1
    assert tgpu.submit("--hold", "--", "true") == 11
    tgpu.cli("update", "5", "--priority", "1")  # a record of its own, behind that of job 11
    status, answer = tgpu.api("POST", "/v1/jobs/update", {"ids": "1-1000000", "set": {"after": "afterany:7"}})
    assert status == 200
    assert {result["id"]: result["ok"] for result in answer["results"]} == {1: False, 5: False, 6: False, 11: True}
