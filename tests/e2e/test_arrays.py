# SPDX-License-Identifier: MIT
"""Arrays, dependencies, limits and preemption, through the whole house."""
import json
import os
import random
import signal
import time

import pytest

from harness import UnixConnection

pytestmark = pytest.mark.sanitize


def entries(tgpu, query):
    return tgpu.api("GET", f"/v1/jobs?{query}")[1]["jobs"]


def test_tasks_know_their_index_and_run_once(tgpu_factory, tmp_path):
    tgpu = tgpu_factory(gpus="simulated:4")
    job = tgpu.submit("--array", "0-9,20", "--gpus", "1", "--output", str(tmp_path / "%A_%a"), "--",
                      "cmd=echo $TGPU_ARRAY_INDEX $TGPU_ARRAY_JOB_ID $TGPU_JOB_ID")
    ids = range(job, job + 11)
    assert tgpu.cli("wait", f"{job}-{job + 10}").returncode == 0
    for task, index in zip(ids, [*range(10), 20]):
        assert (tmp_path / f"{job}_{index}").read_text() == f"{index} {job} {task}\n"
        shown = tgpu.job(task)
        assert (shown["state"], shown["array"], shown["array_index"], shown["attempt"]) == ("finished", job, index, 1)


def test_run_follows_all_tasks(tgpu_factory):
    """Their output in the order of their ids, whoever is first; the code of the first that did not succeed."""
    tgpu = tgpu_factory(gpus="simulated:2")
    gate = tgpu.dir / "gate"
    os.mkfifo(gate)
    done = tgpu.cli("run", "--array", "0-3", "--",
                    f"cmd=case $TGPU_ARRAY_INDEX in 0) read x <{gate};; 1) echo >{gate};; esac; echo task $TGPU_ARRAY_INDEX; exit $TGPU_ARRAY_INDEX")
    assert done.stdout == "task 0\ntask 1\ntask 2\ntask 3\n"
    assert done.returncode == 1
    assert "tgpu: job 2 failed: exit code 1\n" in done.stderr and "tgpu: job 4 failed: exit code 3\n" in done.stderr
    assert tgpu.cli("run", "-q", "--array", "0-3", "--", "true").returncode == 0


def test_run_copies_a_log_that_tasks_share_once(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    done = tgpu.cli("run", "-q", "--array", "1-3%1", "--output", "all.log", "--", "cmd=echo task $TGPU_ARRAY_INDEX")
    assert (done.returncode, done.stdout) == (0, "task 1\ntask 2\ntask 3\n")


def test_interrupting_run_ends_all_tasks(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    run = tgpu.popen("run", "--array", "0-9", "--gpus", "1", "--", "cmd=echo up; exec sleep 1000")
    assert run.stdout.readline() == "up\n"
    tgpu.wait_for_log(2, "up")
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert out == "up\n" and run.returncode != 0
    assert "tgpu: jobs 1-10 are told to end" in err
    assert err.count(" cancelled: ") == 2  # of those that ran
    assert {job["state"] for job in entries(tgpu, "state=all")} == {"cancelled"}


def test_no_more_tasks_run_than_may(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    job = tgpu.submit("--array", "1-6%2", "--gpus", "1", "--", "sleep", "1000")
    for task in (job, job + 1):
        tgpu.wait_for_state(task, "running")
    assert [entry["state"] for entry in entries(tgpu, "state=active")] == ["running", "running", "queued"]
    waiting = entries(tgpu, "state=queued")[0]
    assert (waiting["id"], waiting["n_tasks"], waiting["reason"]["code"]) == (job + 2, 4, "array")
    other = tgpu.submit("--gpus", "1", "--", "true")  # blocks nobody
    assert tgpu.wait(other)["state"] == "finished"


def test_parts_of_an_array_go_their_own_ways(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--array", "0-99", "--gpus", "1", "--hold", "--", "true")
    assert "cancelled" in tgpu.cli("cancel", f"{job + 10}-{job + 98}").stdout
    assert tgpu.cli("update", str(job + 5), "--priority", "7").returncode == 0
    shown = [(entry["id"] - job, entry["n_tasks"], entry["priority"]) for entry in entries(tgpu, "state=queued")]
    assert sorted(shown) == [(0, 5, 0), (5, 1, 7), (6, 4, 0), (99, 1, 0)]
    tgpu.kill9()
    tgpu.start()
    shown = [(entry["id"] - job, entry["n_tasks"], entry["priority"]) for entry in entries(tgpu, "state=queued")]
    assert sorted(shown) == [(0, 5, 0), (5, 1, 7), (6, 4, 0), (99, 1, 0)]
    tgpu.cli("release", f"{job}-{job + 99}")
    assert tgpu.cli("wait", f"{job}-{job + 9},{job + 99}").returncode == 0
    cancelled = entries(tgpu, f"ids={job + 20}-{job + 29}")
    assert [(entry["id"], entry["n_tasks"], entry["state"]) for entry in cancelled] == [(job + 20, 10, "cancelled")]


def test_a_changed_part_keeps_its_own_spec(tgpu_factory, tmp_path):
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--array", "0-7", "--gpus", "1", "--hold", "--output", str(tmp_path / "old.%a"), "--", "true")
    changes = {"first": f"{job}", "some": f"{job + 2}-{job + 5}"}
    for name, ids in changes.items():
        assert tgpu.cli("update", ids, "--output", str(tmp_path / f"{name}.%a")).returncode == 0
    assert tgpu.cli("update", f"{job + 4}-{job + 5}", "--name", "later").returncode == 0
    tgpu.kill9()
    tgpu.start()
    want = {"first.0", "old.1", "some.2", "some.3", "some.4", "some.5", "old.6", "old.7"}
    names = ["true", "true", "true", "true", "later", "later", "true", "true"]
    for when in ("before", "after"):
        shown = [tgpu.job(job + i) for i in range(8)]
        assert {entry["output"].rpartition("/")[2] for entry in shown} == want, when
        assert [(entry["name"], entry["spec"]["name"]) for entry in shown] == [(name, name) for name in names], when
        tgpu.cli("release", f"{job}-{job + 7}")
        assert tgpu.cli("wait", f"{job}-{job + 7}").returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == want


def test_an_array_submitted_twice_is_one(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1", config="max_jobs_per_user = 12\n")
    spec = {"command": ["true"], "cwd": "/", "env": {}, "array": "0-3,7-9", "unique": True, "name": "one", "hold": True}
    first = [tgpu.api("POST", "/v1/jobs", spec, {"Idempotency-Key": "k"}) for _ in range(2)]
    assert [(status, job["id"], job["n_jobs"], job["n_tasks"]) for status, job in first] == [(201, 1, 7, 4), (200, 1, 7, 4)]
    tgpu.cli("cancel", "1-5")
    for headers in ({}, {"Idempotency-Key": "k"}):  # by its name, by its key
        status, job = tgpu.api("POST", "/v1/jobs", spec, headers)
        assert (status, job["id"], job["n_jobs"], job["state"]) == (200, 1, 7, "cancelled")
    refused = tgpu.api("POST", "/v1/jobs", {**spec, "name": "more", "array": "1-11"})
    assert refused[0] == 503 and "you have 2 jobs" in refused[1]["error"]
    assert tgpu.api("POST", "/v1/jobs", {**spec, "name": "more", "array": "1-10"})[0] == 201


def test_each_part_of_an_array_is_acted_on_once(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--array", "0-99", "--gpus", "1", "--hold", "--", "true")
    tgpu.submit("--hold", "--", "true")
    _, answer = tgpu.api("POST", "/v1/jobs/cancel", {"ids": f"{job + 10}-{job + 19}"})
    assert [(result["id"], result["n_tasks"]) for result in answer["results"]] == [(job + 10, 10)]
    _, answer = tgpu.api("POST", "/v1/jobs/hold", {"ids": f"{job + 12}"})
    assert [(result["id"], result["status"]) for result in answer["results"]] == [(job + 12, 409)]


def test_a_large_array_is_one_entry(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--array", "0-499999", "--gpus", "1", "--hold", "--", "true")
    assert [(entry["id"], entry["n_tasks"]) for entry in entries(tgpu, "state=all")] == [(job, 500000)]
    assert tgpu.job(job + 377777)["array_index"] == 377777
    next_job = tgpu.submit("--", "true")
    assert next_job == job + 500000
    refused = tgpu.cli("submit", "--array", "0-1000000", "--", "true")
    assert refused.returncode == 2 and "more than 1000000 tasks" in refused.stderr


def test_dependencies_are_honoured(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    gate = tgpu.submit("--hold", "--", "cmd=exit 3")
    ok = tgpu.submit("--after", f"afterok:{gate}", "--", "true")
    gone = tgpu.submit("--after", f"afterok:{gate}", "--cancel-if-never", "--", "true")
    child_of_gone = tgpu.submit("--after", f"afternotok:{gone}", "--", "true")
    after_all = tgpu.submit("--after", f"afterany:{gate}", "--", "true")
    not_ok = tgpu.submit("--after", f"afternotok:{gate}", "--", "true")
    assert {entry["reason"]["code"] for entry in entries(tgpu, "state=queued") if entry["id"] != gate} == {"dependency"}
    assert f"waits for job {gate} to finish" in tgpu.cli("why", str(ok)).stdout
    tgpu.kill9()
    tgpu.start()
    assert {entry["reason"]["code"] for entry in entries(tgpu, "state=queued") if entry["id"] != gate} == {"dependency"}
    tgpu.cli("release", str(gate))
    for job in (not_ok, after_all, child_of_gone):
        assert tgpu.wait(job)["state"] == "finished"
    assert tgpu.job(gone)["state"] == "cancelled"
    assert tgpu.job(ok)["state"] == "queued"
    assert "never start" in tgpu.cli("why", str(ok)).stdout
    tgpu.kill9()
    tgpu.start()
    assert "never start" in tgpu.cli("why", str(ok)).stdout
    refused = tgpu.cli("update", str(ok), "--after", f"afterok:{not_ok}")  # so that no circle can be
    assert refused.returncode == 2 and "does not come before" in refused.stderr
    assert tgpu.cli("update", str(ok), "--after", "none").returncode == 0
    assert tgpu.wait(ok)["state"] == "finished"


def test_a_dependency_on_a_retried_job_waits_for_its_last_attempt(tgpu_factory):
    tgpu = tgpu_factory()
    parent = tgpu.submit("--retries", "1", "--", "cmd=test $TGPU_RESTART_COUNT = 1")
    child = tgpu.submit("--after", str(parent), "--", "true")
    assert tgpu.wait(child)["state"] == "finished"
    assert tgpu.job(parent)["attempt"] == 2


def test_a_dependency_that_ends_while_no_daemon_runs(tgpu_factory, tmp_path):
    tgpu = tgpu_factory()
    os.mkfifo(tmp_path / "gate")
    parent = tgpu.submit("--", f"cmd=cat {tmp_path}/gate; exit 3")
    good = tgpu.submit("--after", f"afternotok:{parent}", "--", "true")
    bad = tgpu.submit("--after", f"afterok:{parent}", "--cancel-if-never", "--", "true")
    other = tgpu.submit("--after", f"afterany:{parent}-{parent}", "--", "true")
    tgpu.wait_for_state(parent, "running")
    tgpu.kill9()
    (tmp_path / "gate").open("w", encoding="ascii").close()  # returns once the job has opened it
    status = tgpu.state / "jobs" / f"{parent}.1" / "status"
    while not status.exists():
        os.sched_yield()
    tgpu.start()
    assert [tgpu.wait(job)["state"] for job in (good, bad, other)] == ["finished", "cancelled", "finished"]


def in_one_turn(tgpu, *requests):
    """Send these so that one turn of the daemon takes them all in; their answers."""
    connections = [UnixConnection(tgpu.socket) for _ in requests]
    for connection in connections:  # known to the daemon before it is stopped
        connection.request("GET", "/v1/status")
        connection.getresponse().read()
    tgpu.daemon.send_signal(signal.SIGSTOP)
    try:
        for connection, (verb, body) in zip(connections, requests):
            connection.request("POST", f"/v1/jobs{verb}", json.dumps(body))
    finally:
        tgpu.daemon.send_signal(signal.SIGCONT)
    answers = [json.loads(connection.getresponse().read()) for connection in connections]
    for connection in connections:
        connection.close()
    return answers


def test_an_end_and_what_is_done_to_its_dependents_in_one_turn(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    gate = tgpu.submit("--hold", "--", "true")
    freed = tgpu.submit("--after", f"afterany:{gate}", "--", "true")
    array = tgpu.submit("--after", f"afterany:{gate}", "--array", "0-2", "--", "true")
    never = tgpu.submit("--after", f"afterok:{gate}", "--array", "0-2", "--cancel-if-never", "--", "true")
    spec = {"command": ["true"], "cwd": "/", "env": {}, "after": f"afterany:{gate}"}
    answers = in_one_turn(tgpu, ("", spec), ("/cancel", {"ids": str(gate)}),
                          ("/update", {"ids": str(freed), "set": {"after": "none"}}),
                          ("/hold", {"ids": str(array + 1)}), ("/hold", {"ids": str(never + 1)}), ("", spec))
    late = [answers[0]["id"], answers[-1]["id"]]
    assert [tgpu.wait(job)["state"] for job in (freed, array, array + 2, *late)] == ["finished"] * 5
    assert [tgpu.wait(never + i)["state"] for i in range(3)] == ["cancelled"] * 3
    tgpu.cli("release", str(array + 1))
    assert tgpu.wait(array + 1)["state"] == "finished"


@pytest.mark.parametrize("after", ["77", "afterok", "later:1", "afterok:1,,2", ""])
def test_senseless_dependencies_are_refused(tgpu_factory, after):
    tgpu = tgpu_factory()
    refused = tgpu.cli("submit", "--after", after, "--", "true")
    assert refused.returncode in (1, 2) and "after" in refused.stderr
    assert entries(tgpu, "state=all") == []
    assert tgpu.submit("--", "true") == 1  # no number was spent


def test_higher_priority_takes_the_place_of_a_preemptible_job(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2", config="preempt_immunity = 0\npreempt_restart = 0\n")
    low = tgpu.submit("--gpus", "2", "--preemptible", "--", "cmd=echo run $TGPU_RESTART_COUNT; "
                      "test $TGPU_RESTART_COUNT = 1 || sleep 1000")
    tgpu.wait_for_log(low, "run 0")
    deaf = tgpu.submit("--gpus", "2", "--priority", "5", "--", "true")
    assert tgpu.wait(deaf)["state"] == "finished"
    over = tgpu.wait(low)
    assert (over["state"], over["attempt"], over["preempted"]) == ("finished", 2, 1)
    assert any(f"make room for job {deaf}" in event["detail"] for event in over["history"])


def test_who_is_not_preemptible_stays(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2", config="preempt_immunity = 0\npreempt_restart = 0\n")
    low = tgpu.submit("--gpus", "1", "--", "sleep", "1000")
    immune = tgpu.submit("--gpus", "1", "--preemptible", "--priority", "9", "--", "sleep", "1000")
    tgpu.wait_for_state(immune, "running")
    high = tgpu.submit("--gpus", "2", "--priority", "5", "--", "true")
    assert tgpu.job(high)["reason"]["code"] == "resources"
    assert [tgpu.job(job)["state"] for job in (low, immune)] == ["running", "running"]


def test_limits_of_a_user(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4", config="user_max_gpus = 2\nuser_max_running = 3\n")
    tgpu.submit("--gpus", "2", "--", "sleep", "1000")
    more = tgpu.submit("--gpus", "1", "--", "true")
    assert tgpu.job(more)["reason"]["code"] == "limit"
    assert "user_max_gpus" in tgpu.cli("why", str(more)).stdout
    assert tgpu.wait(tgpu.submit("--", "true"))["state"] == "finished"


@pytest.mark.parametrize("policy", ["fifo", "priority", "fair", "shortest"])
@pytest.mark.parametrize("backfill", ["none", "easy", "4", "conservative"])
def test_every_policy_with_every_backfill_runs_all(tgpu_factory, policy, backfill):
    tgpu = tgpu_factory(gpus="simulated:4", config=f"policy = {policy}\nbackfill = {backfill}\n")
    status = tgpu.api("GET", "/v1/status")[1]
    assert (status["policy"], status["backfill"]) == (policy, backfill)
    jobs = [tgpu.submit("--gpus", str(1 + i % 4), *(("--time", "1m") if i % 2 else ()), "--", "true") for i in range(8)]
    for job in jobs:
        assert tgpu.wait(job)["state"] == "finished"


def test_starts_are_foretold(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    tgpu.submit("--gpus", "2", "--time", "1h", "--", "sleep", "1000")
    first = tgpu.submit("--gpus", "2", "--time", "30m", "--", "true")
    second = tgpu.submit("--gpus", "1", "--time", "2h", "--", "true")
    starts = [tgpu.job(job)["start_ms_estimated"] for job in (first, second)]
    assert 0 < starts[1] - starts[0] <= 30 * 60 * 1000 + 1000
    shown = tgpu.cli("list", "--start").stdout.splitlines()
    assert "START" in shown[0] and all(" - " not in line.split("queued")[1][:30] for line in shown[2:])
    assert "starts in about " in tgpu.cli("why", str(second)).stdout


def test_the_first_200_starts_are_foretold_whoever_asks(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.submit("--gpus", "1", "--time", "1h", "--", "sleep", "1000")
    indices = ",".join(str(i) for i in range(1, 500, 2))  # every second one: each a record of its own
    first = tgpu.submit("--gpus", "1", "--time", "1m", "--array", indices, "--", "true")
    assert tgpu.job(first + 249)["start_ms_estimated"] is None
    assert tgpu.job(first)["start_ms_estimated"] is not None
    for order in ("queue", "newest"):
        tgpu.submit("--gpus", "1", "--hold", "--", "true")
        _, answer = tgpu.api("GET", f"/v1/jobs?state=queued&order={order}&fields=id,start_ms_estimated")
        known = [job["id"] for job in answer["jobs"] if job["start_ms_estimated"] is not None]
        assert sorted(known) == list(range(first, first + 200))


def test_a_task_is_told_its_own_place_and_start(tgpu_factory):
    """Tasks that wait are one record, but each has its place."""
    tgpu = tgpu_factory(gpus="simulated:1")
    hour = 3600 * 1000
    running = tgpu.submit("-G", "1", "-t", "1h", "--", "sleep", "1000")
    tgpu.wait_for_state(running, "running")
    first = tgpu.submit("-G", "1", "-t", "1h", "--array", "1-300", "--", "true")
    began = tgpu.job(running)["start_ms"]
    for place in (0, 1, 9, 150):
        task = first + place
        _, why = tgpu.api("GET", f"/v1/jobs/{task}/why")
        assert why["id"] == task and why["ahead"] == place
        _, listed = tgpu.api("GET", f"/v1/jobs?ids={task}-{first + 299}&fields=id,start_ms_estimated")
        for start in (why["start_ms"], tgpu.job(task)["start_ms_estimated"], listed["jobs"][0]["start_ms_estimated"]):
            assert abs(start - began - (place + 1) * hour) < 60000 * (place + 1), (place, start - began)
        told = "\n".join(why["sentences"])
        assert ("at the latest" in told) == (place == 0)
        if place > 1:
            assert f"jobs {first}-{task - 1} go first" in told
    _, why = tgpu.api("GET", f"/v1/jobs/{first + 250}/why")
    assert why["ahead"] == 250 and why["start_ms"] is None and "too many jobs go first" in "\n".join(why["sentences"])
    assert tgpu.job(first + 250)["start_ms_estimated"] is None


def test_a_task_is_told_what_it_waits_for(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    held = tgpu.submit("--hold", "--", "true")
    first = tgpu.submit("--array", "1-9", "--after", str(held), "--", "true")
    answers = [tgpu.api("GET", f"/v1/jobs/{first + task}/why")[1] for task in (0, 5)]
    assert f"waits for job {held} to finish" in answers[0]["sentences"][0]
    assert any("held" in sentence for sentence in answers[0]["sentences"])
    assert {**answers[1], "id": first} == answers[0]


def test_a_restart_knows_how_long_running_jobs_will_take(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    taught = tgpu.submit("--gpus", "1", "--name", "known", "--", "true")
    assert tgpu.wait(taught)["state"] == "finished"
    running = tgpu.submit("--gpus", "1", "--name", "known", "--", "sleep", "1000")
    waiting = tgpu.submit("--gpus", "1", "--", "true")
    tgpu.wait_for_state(running, "running")
    foretold = tgpu.job(waiting)["start_ms_estimated"]
    assert foretold > tgpu.job(running)["start_ms"]
    tgpu.kill9()
    tgpu.start()
    assert abs(tgpu.job(waiting)["start_ms_estimated"] - foretold) < 60000


def test_the_status_counts_tasks(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    tgpu.submit("--array", "1-1000", "--gpus", "1", "--hold", "--", "true")
    for _ in range(2):
        tgpu.wait_for_state(tgpu.submit("--gpus", "1", "--", "sleep", "1000"), "running")
    assert tgpu.api("GET", "/v1/status")[1]["jobs"] == {"queued": 1000, "running": 2}


def count_held(tgpu):
    connection = UnixConnection(tgpu.socket)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return int(text.split('tgpu_jobs{state="held"} ')[1].split("\n")[0])


def count(tgpu):
    """What the status says and what the list shows, both as of one revision: jobs by state, and how many are held."""
    while True:
        status, held = tgpu.api("GET", "/v1/status")[1], count_held(tgpu)
        _, listed = tgpu.api("GET", "/v1/jobs?state=active&limit=10000&fields=state,n_tasks,held")
        if status["revision"] == listed["revision"]:
            break
    shown, shown_held = {}, 0
    for job in listed["jobs"]:
        shown[job["state"]] = shown.get(job["state"], 0) + job["n_tasks"]
        shown_held += job["n_tasks"] * (job["held"] and job["state"] == "queued")
    return (status["jobs"], held), (shown, shown_held)


def test_the_status_counts_what_the_list_shows(tgpu_factory):
    """The counts are kept as records change, split and end: whatever is done, they are those of a walk."""
    seed = int(os.environ.get("TGPU_TEST_SEED", time.time_ns() % 100000))
    print(f"TGPU_TEST_SEED={seed}")
    draw = random.Random(seed)
    tgpu = tgpu_factory(gpus="simulated:3")
    last = 0
    for _ in range(120):
        first = draw.randint(1, max(last, 1))
        ids = f"{first}-{min(last, first + draw.randint(0, 6)) or 1}"
        verb = draw.choice(["submit", "submit", "hold", "release", "cancel", "requeue", "update", "restart", "refused"])
        spec = {"command": ["sleep", "1000"], "cwd": "/", "env": {}, "num_gpus": 1, "hold": draw.random() < 0.4}
        if verb == "submit" and draw.random() < 0.7:
            spec["array"] = f"1-{draw.randint(1, 12)}"
        if verb == "refused":
            spec.update(after="99999", array="1-5")
        if verb in ("submit", "refused"):
            status, answer = tgpu.api("POST", "/v1/jobs", spec)
            assert (status == 201) == (verb == "submit"), answer
            last = answer["id"] + answer["n_jobs"] - 1 if status == 201 else last
        elif verb == "restart" and draw.random() < 0.3:
            draw.choice([tgpu.stop, tgpu.kill9])()
            tgpu.start()
        elif verb != "restart":
            tgpu.api("POST", f"/v1/jobs/{verb}", {"ids": ids, "set": {"priority": draw.randint(0, 9)}, "now": True})
        told, shown = count(tgpu)
        assert told == shown, (verb, ids)


def test_last_means_the_whole_array(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--array", "0-4", "--gpus", "1", "--", "sleep", "1000")
    for task in (job, job + 1):
        tgpu.wait_for_state(task, "running")
    listed = json.loads(tgpu.cli("list", "last", "--json").stdout)["jobs"]
    assert [entry["n_tasks"] for entry in listed] == [1, 1, 3]
    assert tgpu.cli("wait", "--timeout", "1ms", "last").returncode == 124
    assert tgpu.cli("cancel", "--now", "last").returncode == 0
    assert tgpu.cli("wait", "last").returncode == 137
    assert {tgpu.job(job + i)["state"] for i in range(5)} == {"cancelled"}


@pytest.mark.parametrize("words, sentence", [
    (["release"], "it is not held"),
    (["requeue"], "it waits already"),
    (["update", "--after", "99"], "after: job 99 does not come before this one (3)"),
    (["update", "--gpus", "9"], "9 GPUs"),
])
def test_a_refused_change_leaves_an_array_whole(tgpu_factory, words, sentence):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.submit("--gpus", "1", "--", "sleep", "1000")
    job = tgpu.submit("--array", "0-4", "--gpus", "1", "--", "true")
    done = tgpu.cli(words[0], *words[1:], str(job + 1))
    assert done.returncode != 0
    assert sentence in done.stderr
    assert [entry["n_tasks"] for entry in entries(tgpu, f"ids={job}-{job + 4}")] == [5]
    done = tgpu.cli(words[0], *words[1:], f"{job + 1}-{job + 3}")
    assert f"jobs {job + 1}-{job + 3}: " in done.stderr


def test_a_task_may_wait_for_one_before_it(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--array", "0-4", "--gpus", "1", "--hold", "--", "true")
    assert tgpu.cli("update", "--after", str(job), str(job + 3)).returncode == 0
    assert [entry["n_tasks"] for entry in entries(tgpu, f"ids={job}-{job + 4}")] == [3, 1, 1]
    assert tgpu.cli("release", "last").returncode == 0
    assert tgpu.cli("wait", "last").returncode == 0


def test_held_jobs_can_be_listed(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    running = tgpu.submit("--gpus", "1", "--", "sleep", "1000")
    tgpu.wait_for_state(running, "running")
    held = tgpu.submit("--gpus", "1", "--hold", "--", "true")
    waiting = tgpu.submit("--gpus", "1", "--", "true")
    array = tgpu.submit("--array", "0-2", "--hold", "--gpus", "1", "--", "true")
    for states, expected in (("held", [held, array]), ("held,running", [running, held, array]),
                             ("queued", [waiting, held, array])):
        listed = json.loads(tgpu.cli("list", "--state", states, "--json").stdout)["jobs"]
        assert [entry["id"] for entry in listed] == expected
    assert [entry["id"] for entry in entries(tgpu, "state=held&order=newest")] == [array, held]
    assert tgpu.cli("release", "--state", "held").returncode == 0
    assert entries(tgpu, "state=held") == []


def test_why_follows_a_chain(tgpu_factory):
    """The end of it is what can be done something about."""
    tgpu = tgpu_factory(gpus="simulated:1")
    array = tgpu.submit("--array", "0-2", "--hold", "--gpus", "1", "--", "true")
    middle = tgpu.submit("--after", f"afterany:{array + 1}", "--", "true")
    last = tgpu.submit("--after", "last", "--", "true")
    why = tgpu.cli("why", str(last)).stdout
    assert f"waits for job {middle} to finish with exit code 0" in why
    assert f"job {middle} waits: after job {array + 1}" in why
    assert f"job {array + 1} waits: held" in why
    failed = tgpu.submit("--", "false")
    tgpu.wait(failed)
    said = tgpu.cli("submit", "--after", str(failed), "--", "true").stdout
    assert f"will never start: job {failed} did not end as wanted" in said
    gone = tgpu.cli("submit", "--after", str(failed), "--cancel-if-never", "--", "true").stdout
    assert f"cancelled: job {failed} did not end as it was to" in gone
    after = tgpu.submit("--after", str(last + 2), "--", "true")
    assert f"job {last + 2} will never start: job {failed} did not" in tgpu.cli("why", str(after)).stdout


def parts(tgpu, query):
    answer = tgpu.api("GET", f"/v1/jobs?{query}")[1]
    return [(entry["id"], entry["n_tasks"]) for entry in answer["jobs"]], answer["more"]


@pytest.mark.parametrize("ended", [False, True])
def test_the_parts_of_an_array_that_are_named(tgpu_factory, ended):
    """Each once, whether they wait or have been cancelled, in order and within the limit."""
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.submit("--array", "1-10", "--hold", "--gpus", "1", "--", "true")
    if ended:
        tgpu.cli("cancel", "1-10")
    forwards = [(1, 1), (3, 2), (6, 1), (9, 2)]
    shown, more = parts(tgpu, "ids=1,3-4,6,9-20")
    assert (sorted(shown), more) == (forwards, False)
    shown, more = parts(tgpu, "ids=1,3-4,6,9-20&limit=3")
    assert (len(shown), more) == (3, True)
    shown, more = parts(tgpu, "ids=1,3-4,6,9-20&order=newest")
    assert (shown, more) == (forwards[::-1], False)
    shown, more = parts(tgpu, "ids=1,3-4,6,9-20&order=newest&limit=2")
    assert (shown, more) == ([(9, 2), (6, 1)], True)


def test_what_is_held_already_is_left_whole(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.submit("--array", "1-10", "--hold", "--gpus", "1", "--", "true")
    assert tgpu.cli("hold", "4").stdout == "job 4 held\n"
    assert parts(tgpu, "ids=1-10")[0] == [(1, 10)]
    assert tgpu.cli("release", "4,6-7").returncode == 0
    assert parts(tgpu, "state=held")[0] == [(1, 3), (5, 1), (8, 3)]


def test_many_named_at_once(tgpu_factory):
    """Ranges that are wide cost no more than one look at each job; more than can be done at once is refused whole."""
    tgpu = tgpu_factory(gpus="simulated:1")
    body = {"command": ["true"], "cwd": "/", "env": {}, "num_gpus": 1, "hold": True, "array": "1-30000"}
    assert tgpu.api("POST", "/v1/jobs", body)[0] == 201
    wide = ",".join(f"{2**40 * i}-{2**40 * i + 2**39}" for i in range(1, 300))
    assert parts(tgpu, f"ids=2-5,7,{wide}")[0] == [(2, 4), (7, 1)]
    odd = ",".join(str(i) for i in range(1, 20003, 2))
    status, answer = tgpu.api("POST", "/v1/jobs/release", {"ids": odd})
    assert (status, "more than 10000" in answer["error"]) == (400, True)
    assert parts(tgpu, "ids=1-30000")[0] == [(1, 30000)]
    assert "ranges such as" in tgpu.cli("list", odd).stderr
