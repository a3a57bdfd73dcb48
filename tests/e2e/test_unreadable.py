# SPDX-License-Identifier: MIT
"""A database that is damaged while tgpud runs: whoever asks for what cannot be read is told so, never "no such job"."""
import http.client
import sqlite3

import pytest

from harness import UnixConnection

JOBS = 40000  # far more than fit into tgpud's page cache, which it fills with the newer ones when it starts
OLD = 200     # a job that nobody has looked at
SPEC = {"command": "true", "cwd": "/"}
SENTENCE = '"tgpu doctor --store"'


def clone(db, table, where, **replaced):
    """Copies of one row, with other values, for the jobs 2 .. JOBS."""
    names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(replaced.get(name, name) for name in names)
    db.execute(f"WITH RECURSIVE ids(number) AS (SELECT 2 UNION ALL SELECT number + 1 FROM ids WHERE number < {JOBS}) "
               f"INSERT INTO {table} SELECT {values} FROM ids, {table} WHERE {where}")


def fill(file):
    with sqlite3.connect(file) as db:
        clone(db, "job", "id = 1", id="number", revision="number + 100", key="'k' || number || '.'")
        clone(db, "spec", "job = 1", job="number")
        clone(db, "event", "job = 1 AND event.event = 'submit'", job="number", revision="number + 100",
              detail="'k' || number || '.' || hex(zeroblob(100))")
        db.execute(f"UPDATE meta SET last_id = {JOBS}, revision = {JOBS + 1000}")
    db.close()


def pages_about_old(content):
    """Where its row, its key in the index and its event are."""
    at = -1
    while (at := content.find(f"k{OLD}.".encode(), at + 1)) >= 0:
        yield at // 4096 * 4096


@pytest.fixture
def damaged(tgpu_factory):
    """A tgpud with a held job, beneath which the pages were overwritten on which job OLD is."""
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.wait(tgpu.submit("--", "true"))
    tgpu.stop()
    fill(tgpu.state / "tgpu.db")
    tgpu.start()
    assert tgpu.submit("--hold", "--", "true") == JOBS + 1
    whole = (tgpu.state / "tgpu.db").read_bytes()
    pages = set(pages_about_old(whole))
    assert len(pages) == 3 and min(pages) > 4096
    with open(tgpu.state / "tgpu.db", "r+b") as file:
        for page in pages:
            file.seek(page)
            file.write(b"\xff" * 4096)
    yield tgpu
    tgpu.kill9()
    for file in tgpu.state.glob("tgpu.db*"):
        file.unlink()
    (tgpu.state / "tgpu.db").write_bytes(whole)
    tgpu.start()


def test_what_cannot_be_read_is_no_missing_job(damaged):
    tgpu = damaged
    for method, path, body, headers in [
            ("GET", f"/v1/jobs/{OLD}", None, {}),
            ("GET", f"/v1/jobs/{OLD}/why", None, {}),
            ("GET", f"/v1/events?since={OLD + 50}&follow=no", None, {}),
            ("GET", "/v1/stats", None, {}),
            ("POST", "/v1/jobs", SPEC, {"Idempotency-Key": f"k{OLD}."}),
            ("POST", "/v1/jobs", {**SPEC, "after": f"{OLD}"}, {}),
    ]:
        status, answer = tgpu.api(method, path, body, headers)
        assert status == 500 and SENTENCE in answer["error"], (method, path, status, answer)
    _, answer = tgpu.api("POST", "/v1/jobs/update", {"ids": f"{JOBS + 1}", "set": {"after": f"{OLD}"}})
    assert answer["results"][0]["status"] == 500 and SENTENCE in answer["results"][0]["error"], answer
    status, answer = tgpu.api("GET", "/v1/status")
    assert status == 200 and answer["jobs"] == {"queued": 1}  # none was made, and tgpud lives
    assert tgpu.daemon_log().count("the store cannot be read") == 1  # not once for each of those who asked


def test_a_stream_that_meets_damage_breaks_off(damaged):
    """An end would say that nothing more happened."""
    tgpu = damaged
    connection = UnixConnection(tgpu.socket)
    connection.request("GET", "/v1/events?since=0&follow=no")
    answer = connection.getresponse()
    assert answer.status == 200
    with pytest.raises(http.client.IncompleteRead) as told:
        answer.read()
    assert b"\ndata: " in told.value.partial
    connection.close()
    assert "the store cannot be read" in tgpu.daemon_log()
