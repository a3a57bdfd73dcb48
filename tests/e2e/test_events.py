# SPDX-License-Identifier: MIT
"""GET /v1/events and tgpu events: everything that happens, once, in order, whoever comes late or reads slowly."""
import json
import sqlite3
import time

import pytest

from harness import PATIENCE, UnixConnection

pytestmark = pytest.mark.sanitize


class Stream:
    """An open stream; next() is (id, event)."""

    def __init__(self, tgpu, query="", headers=None):
        self.connection = UnixConnection(tgpu.socket)
        self.connection.request("GET", f"/v1/events{query}", headers=headers or {})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        assert self.answer.getheader("Content-Type") == "text/event-stream"

    def next(self):
        place = None
        while line := self.answer.readline().decode():
            line = line.rstrip("\n")
            if line.startswith("id: "):
                place = line[4:]
            elif line.startswith("data: "):
                return place, json.loads(line[6:])
            else:
                assert line in ("", ":"), line
        raise EOFError

    def rest(self):
        events = []
        try:
            while True:
                events.append(self.next())
        except EOFError:
            return events

    def close(self):
        self.connection.close()
        self.answer.close()


def past(tgpu, query=""):
    stream = Stream(tgpu, f"?follow=no&since=0{query}")
    events = stream.rest()
    stream.close()
    return events


def key(place):
    return tuple(int(part) for part in place.split("."))


def check_order(events):
    keys = [key(place) for place, _ in events]
    assert keys == sorted(set(keys))
    assert all(key(place)[0] == event["revision"] for place, event in events)


def test_the_past_is_all_histories_in_order(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    assert past(tgpu) == []
    jobs = [tgpu.submit("--gpus", "1", "--", "true") for _ in range(5)]
    for job in jobs:
        tgpu.wait(job)
    events = past(tgpu)
    check_order(events)
    for job in jobs:
        told = [(e["time_ms"], e["event"], e["detail"]) for _, e in events if e["job"] == job]
        assert told == [(h["time_ms"], h["event"], h["detail"]) for h in tgpu.job(job)["history"]]
    assert {event["job"] for _, event in past(tgpu, "&jobs=2,4-5")} == {2, 4, 5}


def test_what_happens_to_many_tasks_happens_to_each(tgpu_factory):
    """An array that waits is one row with one event per change: a task's history and stream have those all the same."""
    tgpu = tgpu_factory(gpus="simulated:1")
    assert tgpu.submit("--hold", "--array", "1-10", "-G", "1", "--", "sleep", "1000") == 1
    follower = Stream(tgpu, "?jobs=8&since=0")
    assert tgpu.cli("update", "1-10", "--priority", "3").returncode == 0
    tgpu.cli("release", "1-10")
    tgpu.wait_for_state(1, "running")
    tgpu.cli("hold", "3")
    tgpu.cli("cancel", "6-10")
    histories = {job: [entry["event"] for entry in tgpu.job(job)["history"]] for job in range(1, 11)}
    whole = ["submit", "update", "release"]
    assert histories == {1: [*whole, "place", "start"], 2: whole, 3: [*whole, "hold"], 4: whole, 5: whole,
                         **{job: [*whole, "cancel"] for job in range(6, 11)}}
    seen = [follower.next()[1] for _ in range(4)]
    assert [(event["job"], event["n_tasks"], event["event"]) for event in seen] == [
        (1, 10, "submit"), (1, 10, "update"), (1, 10, "release"), (6, 5, "cancel")]
    follower.close()
    assert [event for _, event in past(tgpu, "&jobs=8")] == seen
    assert "job 6-10  cancel" in tgpu.cli("events", "--job", "9-20").stdout
    assert "job cancel job=6 n_tasks=5 " in tgpu.daemon_log()


def test_a_stream_tells_what_happens(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    tgpu.wait(tgpu.submit("--", "true"))
    stream, of_one = Stream(tgpu), Stream(tgpu, "?jobs=3")
    job = tgpu.submit("--hold", "--", "true")
    assert stream.next()[1]["event"] == "submit"
    tgpu.cli("release", str(job))
    seen = []
    while not seen or seen[-1] != "finish":
        place, event = stream.next()
        assert event["job"] == job
        seen.append(event["event"])
    assert seen == ["release", "place", "start", "finish"]
    third = tgpu.submit("--hold", "--", "true")
    assert third == 3 and of_one.next()[1]["event"] == "submit"
    stream.close()
    of_one.close()


def test_who_was_away_goes_on_where_he_was(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    stream = Stream(tgpu)
    tgpu.submit("--hold", "--", "true")
    last, _ = stream.next()
    stream.close()
    status, _ = tgpu.api("POST", "/v1/jobs/cancel", {"ids": "1"})
    assert status == 200
    tgpu.kill9()
    tgpu.start()
    more = tgpu.submit("--hold", "--", "true")
    for query, headers in ((f"?since={last}", None), ("?since=0", {"Last-Event-ID": last})):
        stream = Stream(tgpu, query, headers)
        assert stream.next()[1]["event"] == "cancel"
        assert stream.next()[1]["job"] == more
        stream.close()


def test_many_events_of_one_commit_can_be_cut_anywhere(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    n = 250  # more than a stream reads at a time
    for _ in range(n):
        tgpu.api("POST", "/v1/jobs", {"command": "true", "cwd": "/", "env": {}, "hold": True})
    tgpu.api("POST", "/v1/jobs/cancel", {"ids": f"1-{n}"})
    events = past(tgpu)
    check_order(events)
    assert len(events) == 2 * n and len({event["revision"] for _, event in events[n:]}) == 1
    for at in (0, n - 1, n, n + 14, 2 * n - 2):
        stream = Stream(tgpu, f"?follow=no&since={events[at][0]}")
        assert stream.rest() == events[at + 1:]
        stream.close()


def test_a_slow_reader_costs_nobody_anything(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    tgpu.submit("--hold", "--", "true")
    slow = Stream(tgpu, "?since=0")
    for i in range(1500):  # far more than its socket takes
        assert tgpu.api("POST", "/v1/jobs/update", {"ids": "1", "set": {"name": "x" * 120, "priority": i % 7}})[0] == 200
    assert tgpu.wait(tgpu.submit("--", "true"))["state"] == "finished"
    events = [slow.next()]
    while events[-1][1]["event"] != "finish":
        events.append(slow.next())
    check_order(events)
    assert len(events) == 1 + 1500 + 4
    slow.close()


def test_a_daemon_that_stops_ends_its_streams(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    streams = [Stream(tgpu) for _ in range(3)]
    tgpu.stop()
    for stream in streams:
        assert stream.rest() == []
        stream.close()
    tgpu.start()


def test_there_is_a_bound(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    streams = [Stream(tgpu) for _ in range(16)]
    status, answer = tgpu.api("GET", "/v1/events")
    assert status == 503 and "16 of a user" in answer["error"]
    for stream in streams:
        stream.close()
    deadline = time.monotonic() + PATIENCE
    while True:  # who left is noticed when something happens
        tgpu.submit("--hold", "--", "true")
        try:
            Stream(tgpu).close()
            return
        except AssertionError:
            assert time.monotonic() < deadline


@pytest.mark.parametrize("query, word", [
    ("since=yesterday", "since"), ("since=1.x", "since"), ("since=-1", "since"), ("jobs=5-3", "3-5"), ("jobs=x", "jobs"),
    ("follow=0", "yes nor no"), ("since=0&job=1", "did you mean jobs")])
def test_bad_questions(tgpu_factory, query, word):
    status, answer = tgpu_factory(gpus="simulated:1").api("GET", f"/v1/events?{query}")
    assert status == 400 and word in answer["error"]


def test_on_the_command_line(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--gpus", "1", "--", "true")
    tgpu.wait(job)
    other = tgpu.submit("--hold", "-J", "other", "--", "true")
    lines = tgpu.cli("events").stdout.splitlines()
    assert [line.split()[3].rstrip(":") for line in lines if f"job {job} " in line] == ["submit", "place", "start", "finish"]
    lines = tgpu.cli("events", "--job", str(other), "--json").stdout.splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["submit"]
    first = lines[0]
    since = str(json.loads(first)["revision"])
    assert tgpu.cli("events", "--since", since).stdout == ""
    for words, word in ((("--job", "x"), "--job"), (("--since", "soon"), "--since"), (("--since", "tomorrow"), "yet to come"),
                        (("--since", ""), "--since")):
        done = tgpu.cli("events", *words)
        assert done.returncode == 2 and word in done.stderr


def test_an_end_says_how(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    ends = {"cmd=exit 3": ("fail", "exit code 3", "exit", 3, None), "cmd=kill -9 $$": ("fail", "signal KILL", "signal", None, 9),
            "cmd=kill -35 $$": ("fail", "signal 35", "signal", None, 35),
            "true": ("finish", "", "exit", 0, None), "/nonexistent": ("fail", "launch: there is no program", "launch", 127, None)}
    for command, (kind, detail, cause, code, signal) in ends.items():
        job = tgpu.submit("--", command)
        assert tgpu.wait(job)["history"][-1]["detail"].startswith(detail)
        told = past(tgpu, f"&jobs={job}")[-1][1]
        assert (told["event"], told["cause"], told["exit_code"], told["signal"]) == (kind, cause, code, signal)
        assert told["detail"].startswith(detail) and bool(told["detail"]) == bool(detail)
    again = tgpu.submit("--retries", "1", "-t", "50s", "--", "cmd=exit 4")
    tgpu.wait(again)
    told = {event["event"]: event for _, event in past(tgpu, f"&jobs={again}")}
    assert told["requeue"]["detail"] == "exit code 4" and "cause" not in told["requeue"] and told["fail"]["exit_code"] == 4
    assert tgpu.job(again)["message"] == ""
    late = tgpu.submit("-t", "100ms", "--", "sleep", "1000")
    assert tgpu.wait(late)["cause"] == "timeout" and past(tgpu, f"&jobs={late}")[-1][1]["detail"] == "timeout"
    held = tgpu.submit("--hold", "--array", "1-3", "--", "true")
    tgpu.cli("cancel", f"{held}-{held + 2}")
    told = past(tgpu, f"&jobs={held}")[-1][1]
    assert (told["event"], told["cause"], told["exit_code"]) == ("cancel", "cancelled", None)
    assert f"job {late}  fail: time limit" in tgpu.cli("events").stdout


def test_since_a_time(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    old, new = [tgpu.submit("--", "true") for _ in range(2)]
    for job in (old, new):
        tgpu.wait(job)
    tgpu.stop()
    with sqlite3.connect(tgpu.state / "tgpu.db") as db:
        db.execute("UPDATE event SET time_ns = time_ns - ? WHERE job = ?", (3 * 86400 * 10**9, old))
    db.close()
    tgpu.start()
    for words, jobs in (((), {old, new}), (("--since", "2h"), {new}), (("--since", "1 hour ago"), {new}), (("--since", "yesterday"), {new}),
                        (("--since", "7d"), {old, new}), (("--since", "2d", "--job", str(old)), set()), (("--since", "0"), {old, new})):
        lines = tgpu.cli("events", "--json", *words).stdout.splitlines()
        assert {json.loads(line)["job"] for line in lines} == jobs, words
    follower = tgpu.popen("events", "-f", "--json", "--since", "2h")
    assert [json.loads(follower.stdout.readline())["job"] for _ in range(4)] == [new] * 4
    more = tgpu.submit("--hold", "--", "true")
    assert json.loads(follower.stdout.readline())["job"] == more
    follower.kill()
    follower.communicate()
    future = int(time.time() * 1000) + 3600000
    assert past(tgpu, f"&since_ms={future}") == []
    assert tgpu.api("GET", "/v1/events?since_ms=noon")[0] == 400


def test_of_which_jobs(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    assert "no job yet" in tgpu.cli("events", "--job", "last").stderr
    for _ in range(3):
        tgpu.submit("--hold", "--", "true")
    for word, jobs in (("last", [3]), ("1,last", [1, 3]), ("2-9", [2, 3]), ("1,2", [1, 2])):
        lines = tgpu.cli("events", "--job", word, "--json").stdout.splitlines()
        assert [json.loads(line)["job"] for line in lines] == jobs
    for words, says in ((("99999",), "there is no job 99999"), (("1,7",), "there is no job 7"), (("7-9",), "none of the jobs 7-9 exists"),
                        (("99999", "-f"), "there is no job 99999")):
        done = tgpu.cli("events", "--job", *words)
        assert done.returncode == 4 and says in done.stderr and not done.stdout, words
    follower = tgpu.popen("events", "-f", "--json", "--since", "0", "--job", "3-5")
    assert json.loads(follower.stdout.readline())["job"] == 3
    tgpu.submit("--hold", "--", "true")
    assert json.loads(follower.stdout.readline())["job"] == 4, "of a range, also those to come"
    follower.kill()
    follower.communicate()


def test_following_outlives_the_daemon(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    marker = tgpu.submit("--hold", "--", "true")
    follower = tgpu.popen("events", "-f", "--json", "--since", "0")
    assert json.loads(follower.stdout.readline())["job"] == marker
    for n in range(2, 5):
        job = tgpu.submit("--hold", "--", "true")
        event = json.loads(follower.stdout.readline())
        assert (event["job"], event["event"]) == (job, "submit") and job == n
        tgpu.kill9() if n % 2 else tgpu.stop()
        tgpu.start()
    follower.kill()
    follower.communicate()
