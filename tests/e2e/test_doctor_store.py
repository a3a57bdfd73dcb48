# SPDX-License-Identifier: MIT
"""tgpu doctor --store: finds what is wrong with a database, changes nothing, and its way out is one."""
import hashlib
import json
import re
import sqlite3
import subprocess

import pytest

PAGE = 4096


def look(tgpu, **env):
    """(exit code, [(level, text)], remedies) of the findings; none of which may have changed a file."""
    before = content(tgpu)
    done = tgpu.cli("doctor", "--store", "--json", env=env)
    assert content(tgpu) == before
    findings = json.loads(done.stdout)
    return done.returncode, [(one["level"], one["text"]) for one in findings], \
        "\n".join(one["remedy"] or "" for one in findings)


def content(tgpu):
    """Every database file of the state directory; of a daemon's own, which it may change, the names."""
    files = sorted(tgpu.state.glob("tgpu.db*"))
    return [(file.name, None if tgpu.daemon else hashlib.sha256(file.read_bytes()).digest()) for file in files]


def pages_of(tgpu, table):
    with sqlite3.connect(tgpu.state / "tgpu.db") as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    db.close()
    return page


def damage(tgpu, page):
    with open(tgpu.state / "tgpu.db", "r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(bytes(PAGE))


def execute(tgpu, sql):
    db = sqlite3.connect(tgpu.state / "tgpu.db")
    db.executescript(sql)
    db.close()


@pytest.fixture
def stopped(tgpu_factory):
    """A daemon that is gone, with two finished jobs, one that waits, and one that runs."""
    tgpu = tgpu_factory(gpus="simulated:2")
    for job in [tgpu.submit("--", "true"), tgpu.submit("-G", "1", "--", "true")]:
        tgpu.wait(job)
    tgpu.wait_for_state(tgpu.submit("-G", "1", "--", "sleep", "1000"), "running")
    tgpu.submit("--hold", "--", "true")
    tgpu.stop()
    file = tgpu.state / "tgpu.db"
    whole = file.read_bytes()
    yield tgpu
    if not tgpu.daemon:
        for other in tgpu.state.glob("tgpu.db*"):
            other.unlink()
        file.write_bytes(whole)
        tgpu.start()  # and ends what runs


def test_beside_a_running_daemon(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    tgpu.wait(tgpu.submit("--", "true"))
    tgpu.submit("--hold", "--", "true")
    code, findings, _ = look(tgpu)
    assert code == 0, findings
    assert ("ok", "2 jobs: 1 queued, 1 finished") in findings  # what is in the log only counts too
    assert f"store {tgpu.state}/tgpu.db" in findings[1][1] and "schema version" in findings[1][1]


def test_after_the_end(stopped):
    assert look(stopped)[1][-1] == ("ok", "4 jobs: 1 queued, 1 running, 2 finished")
    stopped.start()
    stopped.kill9()
    assert look(stopped)[0] == 0
    stopped.start()


def test_absent_is_no_fault(stopped, tmp_path):
    code, findings, _ = look(stopped, TGPU_STATE_DIR=str(tmp_path / "none"))
    assert code == 0 and "there is no store" in findings[0][1]
    (tmp_path / "tgpu.db-wal").write_text("commits")
    code, findings, remedy = look(stopped, TGPU_STATE_DIR=str(tmp_path))
    assert code == 1 and "has commits" in findings[0][1] and "mv " in remedy


@pytest.mark.parametrize("change, word", [
    ("UPDATE job SET state = 'lost' WHERE id = 1", "state = 'lost'"),
    ("UPDATE job SET end_ns = NULL WHERE id = 1", "job 1, finished, is over but has no end"),
    ("UPDATE job SET alloc = NULL WHERE id = 3", "job 3, running, runs on nothing"),
    ("UPDATE job SET state = 'running', attempt = 1, alloc = (SELECT alloc FROM job WHERE id = 3) WHERE id = 4",
     "which job 3 holds"),
    ("UPDATE spec SET spec = '{\"num_gpus\": -1}' WHERE job = 4", "job 4, queued, num_gpus"),
    ("DELETE FROM spec WHERE job = 4", "job 4, queued, has no spec"),
    ("PRAGMA foreign_keys = OFF; INSERT INTO event (job, revision, n, event) VALUES (99, 1, 1, 'submit')", "in table event"),
    ("UPDATE meta SET last_id = 2", "ids would be used twice"),
    ("DELETE FROM meta", "table meta"),
    ("PRAGMA user_version = 99", "install the newer tgpu"),
    ("PRAGMA application_id = 1", "another program's"),
])
def test_rows_of_no_meaning(stopped, change, word):
    execute(stopped, change)
    code, findings, remedy = look(stopped)
    assert code == ("event" not in word)
    assert [text for level, text in findings if level != "ok" and word in text], findings
    if command := re.search(r"^    (.*)$", remedy, re.M):
        subprocess.run(command[1], shell=True, check=True)
        code, findings, _ = look(stopped)
        assert code == 0 and {level for level, _ in findings} == {"ok"}, findings


@pytest.mark.parametrize("table", ["job", "spec", "event", "job_active"])
def test_the_way_out_of_damage(stopped, table):
    damage(stopped, pages_of(stopped, table))
    process, line = stopped.spawn_daemon()
    assert process.wait() == 1
    assert "is damaged" in line and '"tgpu doctor --store"' in line
    code, findings, remedy = look(stopped)
    assert code == 1 and "is damaged" in findings[-1][1], findings
    commands = re.findall(r"^    (.*)$", remedy, re.M)[:-1]
    subprocess.run("\n".join(["set -e", *commands]), shell=True, check=True, stdout=subprocess.DEVNULL)
    assert (stopped.state / "damaged" / "tgpu.db").exists()
    code, findings, _ = look(stopped)
    if table == "job_active":  # an index: nothing is lost
        assert findings[-1] == ("ok", "4 jobs: 1 queued, 1 running, 2 finished")
    if table == "event":
        assert code == 0
        stopped.start()
        assert stopped.job(1)["state"] == "finished"


def test_no_database_at_all(stopped):
    (stopped.state / "tgpu.db").write_text("not a database, whatever its name " * 100)
    code, findings, remedy = look(stopped)
    assert code == 1 and "not a database" in findings[-1][1] and "rm tgpu.db*" in remedy
