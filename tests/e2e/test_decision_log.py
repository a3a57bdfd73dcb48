# SPDX-License-Identifier: MIT
"""tgpud --trace: what the daemon was told and decided, fed to the scheduler of tgpu-sim, is decided again byte for byte.

The daemons work under every policy and every kind of backfill while users submit, update, hold, cancel, preempt and
drain, and are restarted and killed in between.
"""
import json
import pathlib
import random
import stat
import subprocess

import pytest
from harness import BUILD, PATIENCE

SIM = BUILD / "simulator" / "tgpu-sim"
MODES = [("priority", "easy"), ("fifo", "none"), ("fair", "easy"), ("shortest", "4"), ("fair", "conservative"),
         ("priority", "conservative")]


def verify(log):
    return subprocess.run([SIM, "verify", str(log)], capture_output=True, text=True, timeout=PATIENCE, check=False)


def lines_of(log):
    return [json.loads(line) for line in pathlib.Path(log).read_text().splitlines()]


def submit(tgpu, seconds="0", **more):
    status, job = tgpu.api("POST", "/v1/jobs", {"command": ["sleep", seconds], "num_gpus": 1, "cwd": "/tmp", "env": {},
                                                **more})
    assert status == 201, job
    return job["id"]


def some_load(tgpu, chance):
    """Jobs of all kinds, and what people do to them and to GPUs."""
    jobs = []
    for number in range(40):
        more = {"num_gpus": chance.choice([0, 1, 1, 2, 3, 4]), "priority": chance.randrange(-20, 20),
                "preemptible": chance.random() < 0.4}
        if chance.random() < 0.5:
            more["time_limit"] = chance.choice(["30s", "10m", "2h"])
        if chance.random() < 0.2:
            more["array"] = chance.choice(["0-5%2", "0-3"])
        if jobs and chance.random() < 0.2:
            more["after"] = f"afterany:{chance.choice(jobs)}"
        if chance.random() < 0.1:
            more["begin"] = "now+1s"
        if chance.random() < 0.2:
            more["hold"] = True
        jobs.append(submit(tgpu, "100" if chance.random() < 0.15 else "0", **more))
        what = chance.choice(["cancel", "hold", "release", "update", "requeue", "none", "none"])
        job = chance.choice(jobs)
        if what == "update":
            tgpu.cli("update", str(job), "--priority", str(chance.randrange(100)))
        elif what != "none":
            tgpu.cli(what, str(job))
        if number % 10 == 5:
            tgpu.cli("drain", "gpu3", "--reason", "a loose cable")
            tgpu.cli("reserve", "--gpus", "1", "--for", "1d", "--user", "nobody", "--reason", "a course")
        if number % 10 == 9:
            tgpu.cli("resume", "gpu3")


def finish(tgpu):
    tgpu.api("POST", "/v1/jobs/cancel", {"ids": f"1-{2**53}", "now": True})
    tgpu.wait_all([])


@pytest.mark.sanitize
@pytest.mark.parametrize("policy,backfill", MODES)
def test_the_daemon_decides_as_the_simulator_does(tgpu_factory, tmp_path, policy, backfill):
    log = tmp_path / "decisions.jsonl"
    config = (f"policy = {policy}\nbackfill = {backfill}\npreempt_immunity = 0s\npreempt_restart = 0s\n"
              "user_max_running = 6\nprobe_interval = 100ms\n")
    tgpu = tgpu_factory(gpus="simulated:4", config=config, arguments=["--trace", str(log)])
    chance = random.Random(f"{policy} {backfill}")
    some_load(tgpu, chance)
    tgpu.restart()
    some_load(tgpu, chance)
    tgpu.kill9()
    tgpu.start()
    some_load(tgpu, chance)
    for job in range(1, 10):
        tgpu.cli("why", str(job))  # asking changes nothing
    finish(tgpu)
    tgpu.stop()

    lines = lines_of(log)
    calls = {line["call"] for line in lines}
    assert {"create", "node", "windows", "measure", "enqueue", "dequeue", "adopt", "release", "leave",
            "pass"} <= calls
    assert [line["policy"] for line in lines if line["call"] == "create"] == [policy] * 3
    passes = [line for line in lines if line["call"] == "pass"]
    assert any(reason["summary"] for line in passes for reason in line.get("waiting", []))
    decisions = sum(len(line["decisions"]) for line in passes)
    assert decisions > 5  # strict order starts little among jobs that stay
    assert stat.S_IMODE(log.stat().st_mode) == 0o600

    done = verify(log)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == f"{len(passes)} passes, {decisions} decisions: the same\n"


@pytest.fixture
def log(tgpu_factory, tmp_path):
    """A small log in which job 3 makes room for job 4, and both wait for others."""
    path = tmp_path / "decisions.jsonl"
    tgpu = tgpu_factory(gpus="simulated:2", arguments=["--trace", str(path)],
                        config="preempt_immunity = 0s\npreempt_restart = 0s\n")
    submit(tgpu)
    tgpu.wait(1)
    submit(tgpu, "100", array="0-1", num_gpus=1, preemptible=True, priority=-5)
    tgpu.wait_for_state(2, "running")
    tgpu.wait_for_state(3, "running")
    submit(tgpu, "100", num_gpus=1, priority=5)
    tgpu.wait_for_state(4, "running")
    finish(tgpu)
    tgpu.stop()
    return path


def test_preemptions_name_whom_they_are_for(log):
    decisions = [decision for line in lines_of(log) if line["call"] == "pass" for decision in line["decisions"]]
    assert {"preempt": 3, "for": 4} in decisions or {"preempt": 2, "for": 4} in decisions
    assert {"start": 1, "on": [{"node": 0, "gpus": [0], "cpus": decisions[0]["on"][0]["cpus"],
                                "mem": decisions[0]["on"][0]["mem"]}]} == decisions[0]


@pytest.mark.sanitize
def test_a_line_that_was_changed_is_found(log):
    whole = log.read_text().splitlines()
    changes = [('"policy":"priority"', '"policy":"fifo"', None), ('"gpus":[0]', '"gpus":[1]', "pass"),
               ('"call":"release","id":1', '"call":"release","id":9', None), ('"start":1,', '"start":2,', "pass"),
               ('"priority":5', '"priority":-5', "enqueue"), ('"why":"resources"', '"why":"order"', "pass")]
    for before, after, call in changes:
        at = next(i for i, line in enumerate(whole)
                  if before in line and (call is None or f'"call":"{call}"' in line))
        log.write_text("\n".join([*whole[:at], whole[at].replace(before, after, 1), *whole[at + 1:]]) + "\n")
        done = verify(log)
        assert done.returncode == 1, (before, done.stdout)
        if call == "pass":
            assert done.stdout == (f"recorded: {whole[at].replace(before, after, 1)}\nreplayed: {whole[at]}\n")
            assert f"decisions.jsonl:{at + 1}: the scheduler says something else" in done.stderr
    at = next(i for i, line in enumerate(whole) if '"decisions":[{"start":1' in line)
    log.write_text("\n".join(whole[:at] + whole[at + 1:]) + "\n")  # a decision that was taken out
    assert verify(log).returncode == 1


@pytest.mark.sanitize
def test_what_is_no_log_is_refused_with_its_line(log, tmp_path):
    whole = log.read_text().splitlines()
    cases = {"": "is no decision log", "{}\n": ":1: is no line of a decision log", "[1]\n{}\n": ":1: ",
             "\n".join([whole[0], "nonsense", *whole[1:]]): ":2: is no JSON",
             "\n".join([*whole, '{"call":"jump"}']): f":{len(whole) + 1}: call: there is no such call",
             "\n".join([*whole, '{"call":"dequeue","id":77}']): f":{len(whole) + 1}: id: the job does not wait"}
    for text, sentence in cases.items():
        wrong = tmp_path / "wrong.jsonl"
        wrong.write_text(text)
        done = verify(wrong)
        assert done.returncode == 1 and sentence in done.stderr, (text[-80:], done.stderr)


def test_a_line_cut_short_by_a_kill_is_no_error(tgpu_factory, tmp_path):
    log = tmp_path / "decisions.jsonl"
    tgpu = tgpu_factory(gpus="simulated:2", arguments=["--trace", str(log)])
    tgpu.wait(submit(tgpu))
    tgpu.kill9()
    log.write_text(log.read_text()[:-9])
    assert "1 line cut short" in verify(log).stderr
    tgpu.start()
    tgpu.wait(submit(tgpu))
    tgpu.stop()
    done = verify(log)
    assert done.returncode == 0, done.stderr
    assert "1 line cut short" in done.stderr


def test_the_log_is_bounded(tgpu_factory, tmp_path):
    log = tmp_path / "decisions.jsonl"
    tgpu = tgpu_factory(gpus="simulated:2", config=f"trace = {log}\ntrace_max = 6K\n")
    while "the decision log is full" not in tgpu.daemon_log():
        tgpu.wait(submit(tgpu))
    size = log.stat().st_size
    assert 5000 < size < 6300
    assert lines_of(log)[-1] == {"call": "end", "reason": "trace_max"}
    tgpu.wait(submit(tgpu))
    assert log.stat().st_size == size
    done = verify(log)
    assert done.returncode == 0, done.stderr
    tgpu.restart()
    assert tgpu.daemon_log().count("the decision log is full") == 2


@pytest.mark.parametrize("place", ["/", "/nonexistent/log", "{dir}/link"])
def test_a_log_that_cannot_be_kept_stops_the_daemon_with_the_reason(tgpu_factory, tmp_path, place):
    tgpu = tgpu_factory(gpus="simulated:2")
    tgpu.stop()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    path = place.format(dir=tmp_path)
    tgpu.arguments = ["--trace", path]
    process, line = tgpu.spawn_daemon()
    assert process.wait(PATIENCE) == 1
    assert line.startswith(f"trace: cannot open {path}: "), line
