# SPDX-License-Identifier: MIT
"""tgpu stats: the numbers of jobs whose times are known, and that counting keeps nobody waiting."""
import csv
import io
import json
import os
import pwd
import sqlite3
import threading
import time

import pytest

pytestmark = pytest.mark.sanitize
S = 10**9
USER = pwd.getpwuid(os.getuid()).pw_name


def rewrite(tgpu, statements):
    """Change the store as if the past had been another one."""
    tgpu.stop()
    with sqlite3.connect(tgpu.state / "tgpu.db") as db:
        for statement, values in statements:
            db.execute(statement, values)
    db.close()
    tgpu.start()


def past(tgpu, jobs):
    """Finished jobs of one's choice: (name, gpus, submitted, started, ended, exit code), seconds before now."""
    now = time.time_ns()
    ids = [tgpu.submit("--gpus", str(gpus), "-J", name, "--", f"cmd=exit {code}")
           for name, gpus, _, _, _, code in jobs]
    for job in ids:
        tgpu.wait(job)
    rewrite(tgpu, [
        ("UPDATE job SET submit_ns = ?, start_ns = ?, end_ns = ? WHERE id = ?",
         (now - submit * S, now - start * S, now - end * S, job))
        for job, (_, _, submit, start, end, _) in zip(ids, jobs)])
    return ids


def stats(tgpu, *words):
    done = tgpu.cli("stats", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_numbers_of_known_jobs(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    past(tgpu, [("train", 2, 1000, 900, 500, 0), ("train", 1, 1000, 800, 700, 3), ("eval", 4, 100000, 99000, 98000, 0)])
    total = stats(tgpu)["total"]
    assert (total["jobs"], total["finished"], total["failed"]) == (3, 2, 1) and total["causes"] == {"exit": 1}
    assert total["wait_ms"]["mean"] == pytest.approx((100 + 200 + 1000) * 1000 / 3)
    assert total["wait_ms"]["p50"] == pytest.approx(200 * 1000, rel=0.017)
    assert total["wait_ms"]["max"] == 1000 * 1000
    assert total["gpu_hours"] == pytest.approx((2 * 400 + 100 + 4 * 1000) / 3600)
    assert total["slowdown"] == pytest.approx((500 / 400 + 300 / 100 + 2000 / 1000) / 3)
    assert total["utilization_percent"] is None and total["energy_mj"] is None, "nobody looked"
    recent = stats(tgpu, "--since", "2h", "--by", "name")
    assert recent["total"]["jobs"] == 2 and [group["key"] for group in recent["groups"]] == ["train"]
    assert recent["allocated_ratio"] == pytest.approx((2 * 400 + 100) / (4 * 7200), rel=0.01)


def test_groups_table_and_csv(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    past(tgpu, [("train", 2, 1000, 900, 500, 0), ('a,"b"', 1, 86400 * 3, 86400 * 3 - 60, 86400 * 3 - 120, 0)])
    days = stats(tgpu, "--by", "day")["groups"]
    assert len(days) == 2 and days[0]["key"] < days[1]["key"]
    table = tgpu.cli("stats", "--by", "user").stdout
    assert USER in table and "GPU-HOURS" in table and table.splitlines()[-1].startswith("all")
    rows = list(csv.DictReader(io.StringIO(tgpu.cli("stats", "--by", "name", "--csv").stdout)))
    assert {row["group"] for row in rows} == {"train", 'a,"b"'}
    assert rows[0]["jobs"] == "1" and rows[0]["wait_mean_ms"] and rows[0]["energy_mj"] == ""
    assert len(list(csv.DictReader(io.StringIO(tgpu.cli("stats", "--csv").stdout)))) == 1


def test_the_table_fits_a_narrow_terminal(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    past(tgpu, [(f"a-name-that-is-long-{i}", 1, 200000, 100000, 50000, i % 2) for i in range(4)])
    for width in (50, 60, 80, 132):
        lines = tgpu.on_terminal("stats", "--by", "name", width=width, NO_COLOR="1").splitlines()
        assert max(map(len, lines)) <= width
        assert {"JOBS", "OK", "FAILED", "WAIT"} <= set(lines[0].split())
        assert ("P95" in lines[0]) == (width == 132)
    assert "P95" in tgpu.cli("stats").stdout


def test_csv_is_fit_for_a_spreadsheet(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    names = ["=cmd|'/C calc'!A0", "+1", "-1,2", "@SUM(A1)", "a=b", 'x"=y']
    past(tgpu, [(name, 1, 1000, 900, 500, 0) for name in names] + [("third", 1, 200, 100, 52, 0)])
    text = tgpu.cli("stats", "--by", "name", "--csv").stdout
    cells = [row["group"] for row in csv.DictReader(io.StringIO(text))]
    assert sorted(cells) == sorted(["'" + name for name in names[:4]] + names[4:] + ["third"])
    assert {group["key"] for group in stats(tgpu, "--by", "name")["groups"]} == {*names, "third"}
    (third,) = [row for row in csv.DictReader(io.StringIO(text)) if row["group"] == "third"]
    assert third["gpu_hours"] == "0.0133" and third["wait_mean_ms"] == "100000" and third["slowdown"] == "3.083"


def test_numbers_have_no_more_digits_than_they_know(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    past(tgpu, [("a", 1, 2000, 1080, 0, 0)])  # 0.3 hours, in doubles 0.29999999999999999
    assert '"gpu_hours": 0.3,' in tgpu.cli("stats", "--json").stdout


def test_hours_of_running_jobs_count(tgpu_factory):
    """... as the help says, though no other number does."""
    tgpu = tgpu_factory(gpus="simulated:4")
    job = tgpu.submit("--gpus", "2", "--", "sleep", "1000")
    tgpu.wait_for_state(job, "running")
    total = stats(tgpu)["total"]
    assert total["jobs"] == 0 and total["gpu_hours"] > 0
    assert "jobs that still run" in " ".join(tgpu.cli("stats", "--help").stdout.split())


def test_an_empty_past(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    answer = stats(tgpu, "--since", "1d")
    assert answer["total"]["jobs"] == 0 and answer["total"]["wait_ms"] is None and answer["groups"] == []
    assert tgpu.cli("stats").returncode == 0


def test_bad_questions(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    for words, word in ((("--by", "colour"), "user, name or day"), (("--since", "yesteryear"), "yesterday"), (("--csv", "--json"), "--json"),
                        (("--since", "tomorrow"), "yet to come, it is 20"), (("--since", "now+1h"), "yet to come")):
        done = tgpu.cli("stats", *words)
        assert done.returncode == 2 and words[0] in done.stderr and word in done.stderr and not done.stdout
    future = int(time.time() * 1000) + 60000
    assert tgpu.api("GET", f"/v1/stats?since_ms={future - 120000}")[0] == 200
    for query, word in (("by=x", "by"), ("since_ms=-1", "since_ms"), ("since_ms=1e3", "since_ms"),
                        (f"since_ms={future}", "yet to come")):
        status, answer = tgpu.api("GET", f"/v1/stats?{query}")
        assert status == 400 and word in answer["error"]


def test_counting_many_jobs_keeps_nobody_waiting(tgpu_factory):
    """Eight walks over 20,000 jobs, and a client that asks and is answered many times before they are through."""
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--", "true")
    tgpu.wait(job)
    tgpu.stop()
    with sqlite3.connect(tgpu.state / "tgpu.db") as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(job)") if row[1] not in ("id", "key")]
        names = ", ".join(columns)
        db.execute(f"WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                   f"INSERT INTO job (id, {names}) SELECT i, {names} FROM n, job WHERE job.id = {job}")
        db.execute("UPDATE meta SET last_id = 20000")
    db.close()
    tgpu.start()
    answers, finished, asked_before = [], [], []

    def count():
        answers.append(tgpu.api("GET", "/v1/stats?by=name"))
        finished.append(time.monotonic())

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    while not finished:
        assert tgpu.api("GET", "/v1/status")[0] == 200
        asked_before.append(time.monotonic())
    for thread in threads:
        thread.join()
    assert [status for status, _ in answers] == [200] * 8
    assert all(answer["total"]["jobs"] == 20000 for _, answer in answers)
    assert len([at for at in asked_before if at < finished[0]]) > 3, "the daemon answered others in between"


def test_an_array_that_was_cancelled_whole_counts_once(tgpu_factory):
    """One row stands for tasks of many slices of the walk."""
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.submit("--hold", "--", "true")
    tgpu.submit("--hold", "--array", "0-9999", "--", "true")
    assert tgpu.cli("cancel", "1-10001").returncode == 0
    assert stats(tgpu)["total"]["cancelled"] == 10001
