# SPDX-License-Identifier: MIT
"""GPUs that are reserved for one user for a time: who waits for it, what survives, who may."""
import json
import os
import pathlib
import pwd
import subprocess
import time

import pytest

from harness import PATIENCE, TGPU

NOBODY, NOGROUP, SOMEBODY = 65534, 65534, 1234
DGX1V = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "dgx1v.topo"
HOUR_MS = 3600 * 1000


def now_ms():
    return int(time.time() * 1000)


def reserve(tgpu, gpus, begin_ms=0, length_ms=HOUR_MS, **more):
    start_ms = now_ms() + begin_ms
    return tgpu.api("POST", "/v1/reservations",
                    {"gpus": gpus, "start_ms": start_ms, "end_ms": start_ms + length_ms, "uid": NOBODY, **more})


def reservations(tgpu):
    return tgpu.api("GET", "/v1/reservations")[1]["reservations"]


def indices(window):
    return [gpu["index"] for gpu in window["gpus"]]


def reason_of(tgpu, job):
    return tgpu.job(job)["reason"]["code"]


def test_a_reservation_keeps_others_out_survives_a_kill_and_is_taken_back(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    done = tgpu.cli("reserve", "--gpus", "2", "--for", "1d", "--user", "nobody", "--reason", "a course")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("reservation 1: gpu0,gpu1 (simulated) for nobody from ")
    job = tgpu.submit("--gpus", "1", "--time", "1m", "--", "sleep", "1000")
    without = tgpu.submit("--", "true")
    assert tgpu.wait(without)["exit_code"] == 0
    assert reason_of(tgpu, job) == "reserved"

    why = tgpu.cli("why", str(job)).stdout
    assert "gpu0, gpu1 are reserved for nobody, for another 23h59m" in why
    shown = tgpu.cli("gpus").stdout
    assert shown.count("idle, reserved for nobody until ") == 2
    listed = tgpu.cli("reservations").stdout.split("\n")[1].split()
    assert listed[:2] == ["1", "nobody"] and listed[-2:] == ["a", "course"]

    before = reservations(tgpu)
    tgpu.kill9()
    tgpu.start()
    assert reservations(tgpu) == before
    assert reason_of(tgpu, job) == "reserved"

    done = tgpu.cli("unreserve", "1")
    assert (done.returncode, done.stdout) == (0, "reservation 1 is taken back\n"), done.stderr
    tgpu.wait_for_state(job, "running")
    assert reservations(tgpu) == []
    assert tgpu.cli("unreserve", "1").returncode == 4
    tgpu.kill9()
    tgpu.start()
    assert reservations(tgpu) == []


def test_what_is_over_before_it_begins_may_start(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    assert reserve(tgpu, ["all"], begin_ms=10 * HOUR_MS)[0] == 200
    long = tgpu.submit("--gpus", "1", "--", "true")
    short = tgpu.submit("--gpus", "1", "--time", "9h", "--", "sleep", "1000")
    tgpu.wait_for_state(short, "running")
    tgpu.cli("cancel", "--now", str(short))
    tgpu.wait(short)
    why = tgpu.api("GET", f"/v1/jobs/{long}/why")[1]
    assert why["code"] == "reserved" and why["text"] == "GPUs are reserved for others"
    assert any(sentence.startswith("gpu0 is reserved for uid 65534 in 9h59m, for ") for sentence in why["sentences"])
    assert any(sentence.startswith("with a time limit of 9h59m or less") for sentence in why["sentences"])
    assert abs(why["start_ms"] - reservations(tgpu)[0]["end_ms"]) < 1000


def test_the_end_of_a_reservation_is_noticed(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    status, window = reserve(tgpu, 1, length_ms=1500)
    assert status == 200
    job = tgpu.submit("--gpus", "1", "--", "true")
    assert tgpu.wait(job)["start_ms"] >= window["end_ms"]
    assert reservations(tgpu) == []


def test_gpus_are_named_by_lists_and_ranges(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:6")
    for words, wanted in (["0-1"], [0, 1]), (["gpu2-gpu3"], [2, 3]), (["4,gpu5"], [4, 5]):
        done = tgpu.cli("reserve", "--gpus", *words, "--for", "1h", "--json")
        assert done.returncode == 0, done.stderr
        assert indices(json.loads(done.stdout)) == wanted
    other = tgpu.cli("reserve", "--gpus", "0,5", "--for", "1h")
    who = pwd.getpwuid(os.geteuid()).pw_name
    assert f"reservation 1 of {who} has some of them" in other.stderr
    done = tgpu.cli("unreserve", "all")
    assert done.returncode == 0 and done.stdout.count("is taken back") == 3
    assert tgpu.cli("unreserve", "all").stdout == "there is no reservation\n"
    for words in ["0,2-3"], ["all"], ["0-1", "gpu2", "3-5"]:
        assert tgpu.cli("drain", *words).returncode == 0
        states = {gpu["index"]: gpu["state"] for gpu in tgpu.api("GET", "/v1/gpus")[1]["gpus"]}
        assert [states[i] for i in (0, 2, 3)] == ["drained"] * 3 and (states[1] == "idle") == (words == ["0,2-3"])
        assert tgpu.cli("resume", "0-5").returncode == 0


def test_a_number_of_gpus_are_those_that_are_linked_best(tgpu_factory):
    tgpu = tgpu_factory(gpus=f"simulated:{DGX1V}")
    assert indices(reserve(tgpu, 2)[1]) == [2, 3]
    assert indices(reserve(tgpu, 2)[1]) == [6, 7]
    assert tgpu.cli("drain", "0").returncode == 0
    status, answer = reserve(tgpu, 4)
    assert status == 409 and "of 8 GPUs only 3 are in service and not reserved in that time" in answer["error"]
    status, answer = reserve(tgpu, ["gpu1", "3"])
    assert status == 409 and "reservation 1 of uid 65534 has some of them" in answer["error"]
    assert indices(reserve(tgpu, ["gpu1", "3"], begin_ms=HOUR_MS + 60000)[1]) == [1, 3]
    gpus = tgpu.api("GET", "/v1/gpus")[1]["gpus"]
    assert [gpu["reservation"] and gpu["reservation"]["id"] for gpu in gpus] == [None, 3, 1, 1, None, None, 2, 2]


def test_nonsense_is_refused(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    for words, sentence in [
            (["--for", "1h"], "say how many GPUs"),
            (["--gpus", "1"], "say for how long"),
            (["--gpus", "3", "--for", "1h"], "of 2 GPUs only 2 are"),
            (["--gpus", "0", "--for", "1h"], "reserve 1 or more"),
            (["--gpus", "gpu7", "--for", "1h"], "there is no GPU 'gpu7'"),
            (["--gpus", "1", "--for", "367d"], "longer than 366 days"),
            (["--gpus", "1", "--for", "1h", "--begin", "2020-01-31"], "is over already; reserve for a time to come"),
            (["--gpus", "1", "--for", "1h", "--begin", "soon"], "--begin"),
            (["--gpus", "1", "--for", "1h", "--user", "no-such-user"], "there is no user"),
            (["--gpus", "1", "--for", "1h", "--reason", "x" * 81], "reason: longer than 80 bytes")]:
        done = tgpu.cli("reserve", *words)
        assert done.returncode != 0 and sentence in done.stderr, (words, done.stderr)
    for body in ({}, {"gpus": []}, {"gpus": "0"}, {"gpus": [0]}, {"gpus": 1, "start_ms": "now"},
                 {"gpus": 1, "start_ms": 2, "end_ms": 1}, {"gpus": 1, "start_ms": 1, "end_ms": 2**62}):
        assert tgpu.api("POST", "/v1/reservations", body)[0] == 400, body
    for gpus in ({}, [], "0", None):
        assert reserve(tgpu, gpus)[0] == 400, gpus
    assert reserve(tgpu, 1, uid=-1)[0] == reserve(tgpu, 1, uid="nobody")[0] == 400
    assert tgpu.api("POST", "/v1/reservations/cancel", {"ids": 1})[0] == 400
    assert reservations(tgpu) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_reserves_for_users_and_only_the_owner_gets_in(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2", arguments=["--system"])
    os.chmod(tgpu.dir, 0o755)

    def cli_as(uid, *words):
        return subprocess.run(
            ["setpriv", f"--reuid={uid}", f"--regid={NOGROUP}", "--clear-groups", TGPU, *words],
            env={**tgpu.env, "HOME": "/nonexistent"}, cwd="/", stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert reserve(tgpu, 2)[0] == 200
    for words in (["reserve", "--gpus", "1", "--begin", "+2d", "--for", "1h"], ["unreserve", "1"]):
        refused = cli_as(NOBODY, *words)
        assert refused.returncode == 5 and "only root" in refused.stderr
    assert json.loads(cli_as(SOMEBODY, "reservations", "--json").stdout)["reservations"][0]["uid"] == NOBODY
    others = int(cli_as(SOMEBODY, "submit", "--parsable", "--gpus", "1", "--", "true").stdout)
    owners = int(cli_as(NOBODY, "submit", "--parsable", "--gpus", "1", "--", "true").stdout)
    assert tgpu.wait(owners)["exit_code"] == 0
    assert reason_of(tgpu, others) == "reserved"
    assert tgpu.cli("unreserve", "1-9").returncode == 0
    assert tgpu.wait(others)["exit_code"] == 0
