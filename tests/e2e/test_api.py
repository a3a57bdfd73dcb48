# SPDX-License-Identifier: MIT
"""The HTTP API: docs/api.md against the routes, refusals, limits, clients that misbehave."""
import json
import os
import re
import socket
import time

import pytest

from harness import ROOT

pytestmark = pytest.mark.sanitize


def test_every_route_is_documented_and_every_documented_route_exists(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    table = (ROOT / "docs" / "api.md").read_text().split("## Routes")[1].split("###")[0]
    documented = set(re.findall(r"`(GET|POST) (/\S+)`", table))
    source = (ROOT / "daemon" / "api.c").read_text()
    assert documented == set(re.findall(r'\{"(GET|POST)", "([^"]+)"', source))
    for method, path in documented - {("POST", "/v1/shutdown"), ("GET", "/v1/events"), ("GET", "/metrics")}:
        status, answer = tgpu.api(method, path.replace("ID", "1"), None if method == "GET" else {})
        assert status in (200, 400, 404), (method, path, status, answer)
        other = "POST" if method == "GET" else "GET"
        if (other, path) not in documented:
            assert tgpu.api(other, path.replace("ID", "1"))[0] in (405, 404)


def test_the_parameters_of_each_route_are_documented(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    page = (ROOT / "docs" / "api.md").read_text()
    source = (ROOT / "daemon" / "api.c").read_text()
    routes = re.findall(r'\{"(GET|POST)", "([^"]+)",\s*"([^"]*)"', source)
    assert len(routes) == len(re.findall(r'\{"(?:GET|POST)"', source))
    for method, path, words in routes:
        section = re.search(rf"^### {method} {path}\n(.*?)(?=^##|\Z)", page, re.M | re.S)
        text = section[1] if section else ""
        told = re.findall(r"^\| `(\w+)=", text, re.M) + re.findall(r"`\?(\w+)=", text)
        assert told == words.split(), (method, path)
        status, answer = tgpu.api(method, path.replace("ID", "1") + "?nonsense=1", None if method == "GET" else {})
        assert status == 400 and "nonsense" in answer["error"] and all(word in answer["error"] for word in words.split())


@pytest.mark.parametrize("method, path, body, status, says", [
    ("GET", "/v1/nope", None, 404, "/v1/nope"),
    ("GET", "/", None, 404, "docs/api.md"),
    ("DELETE", "/v1/jobs", None, 405, "DELETE"),
    ("GET", "/v1/jobs/0", None, 404, "/v1/jobs/0"),
    ("GET", "/v1/jobs/7", None, 404, "7"),
    ("GET", "/v1/jobs/7/why", None, 404, "7"),
    ("GET", "/v1/jobs/99999999999999999999999", None, 404, "no job"),
    ("GET", "/v1/jobs?state=asleep", None, 400, "asleep"),
    ("GET", "/v1/jobs?limit=0", None, 400, "limit"),
    ("GET", "/v1/jobs?limit=100000", None, 400, "limit"),
    ("GET", "/v1/jobs?uid=me", None, 400, "uid"),
    ("GET", "/v1/jobs?ids=5-3", None, 400, "3-5"),
    ("GET", "/v1/jobs?order=sideways", None, 400, "sideways"),
    ("GET", "/v1/jobs?fields=id,colour", None, 400, "colour"),
    ("GET", "/v1/jobs?after=yesterday", None, 400, "after"),
    ("GET", "/v1/jobs?stat=all", None, 400, "did you mean state? It takes ids, state, uid, limit, order, fields and after"),
    ("GET", "/v1/jobs?limit=5&colour=red", None, 400, '"colour" is unknown; it takes ids'),
    ("GET", "/v1/jobs?limit=5&limit=6", None, 400, "limit comes twice"),
    ("GET", "/v1/jobs?limit", None, 400, "limit has no value; write limit=..."),
    ("GET", "/v1/jobs?limit=", None, 400, "limit"),
    ("GET", "/v1/jobs?limit%00x=1", None, 400, "holds a NUL"),
    ("GET", "/v1/jobs?x" + 30 * "%C3%A4" + "=1", None, 400, "is unknown"),
    ("GET", "/v1/jobs?=5", None, 400, '"" is unknown'),
    ("GET", "/v1/status?after=5", None, 400, '/v1/status: "after" is unknown; it takes no parameters'),
    ("GET", "/v1/jobs/1/why?after=5", None, 400, "/v1/jobs/ID/why"),
    ("GET", "/v1/stats?sinc_ms=5", None, 400, "did you mean since_ms? It takes since_ms and by"),
    ("POST", "/v1/jobs/cancel?ids=1", "{}", 400, "it takes no parameters"),
    ("POST", "/v1/jobs", "{", 400, "JSON"),
    ("POST", "/v1/jobs", "[]", 400, "object"),
    ("POST", "/v1/jobs", '{"command": "a", "command": "b"}', 400, "JSON"),
    ("POST", "/v1/jobs", '{"command": ["true"]}', 400, "cwd"),
    ("POST", "/v1/jobs", '{"command": ["true"], "cwd": "relative"}', 400, "cwd"),
    ("POST", "/v1/jobs", '{"cwd": "/"}', 400, "command"),
    ("POST", "/v1/jobs", '{"command": ["true"], "cwd": "/", "gpus": 2}', 400, "num_gpus"),
    ("POST", "/v1/jobs", '{"command": ["true"], "cwd": "/", "num_gpus": "2.5"}', 400, "num_gpus"),
    ("POST", "/v1/jobs", '{"command": ["true"], "cwd": "/", "num_gpus": 3}', 400, "largest node has 2"),
    ("POST", "/v1/jobs", '{"command": ["true"], "cwd": "/", "gpu_type": "h100", "num_gpus": 1}', 400, "h100"),
    ("POST", "/v1/jobs", '{"command": ["true"], "cwd": "/", "cpus": 4000}', 400, "cpus"),
    ("POST", "/v1/jobs", '{"command": ["true"], "cwd": "/", "mem": "900T"}', 400, "mem"),
    ("POST", "/v1/jobs/cancel", "{}", 400, "ids"),
    ("POST", "/v1/jobs/cancel", '{"ids": "x"}', 400, "list of job ids"),
    ("POST", "/v1/jobs/hold", '{"ids": 5}', 400, "ids"),
])
def test_refusals_name_what_is_wrong(tgpu_factory, method, path, body, status, says):
    tgpu = tgpu_factory(gpus="simulated:2")
    connection_body = None if body is None else body
    from harness import UnixConnection
    connection = UnixConnection(tgpu.socket)
    connection.request(method, path, connection_body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == status, text
    assert says in json.loads(text)["error"], text
    assert tgpu.api("GET", "/v1/jobs?state=all")[1]["jobs"] == []


def test_a_body_beyond_the_limit_is_refused_and_the_daemon_lives(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1", config="max_body = 64K\n")
    status, answer = tgpu.api("POST", "/v1/jobs", {"command": ["x" * 100_000], "cwd": "/"})
    assert status == 413 and "max_body" in answer["error"]
    assert tgpu.wait(tgpu.submit("--", "true"))["state"] == "finished"


def test_jobs_per_user_are_limited(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1", config="max_jobs_per_user = 2\n")
    for _ in range(2):
        tgpu.submit("--hold", "--", "true")
    done = tgpu.cli("submit", "--", "true")
    assert done.returncode == 1 and "max_jobs_per_user" in done.stderr
    tgpu.cli("cancel", "1")
    assert tgpu.submit("--hold", "--", "true") == 3


def test_clients_that_stall_or_talk_nonsense_harm_nobody(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1", config="max_connections = 50\n")
    stalled = []
    for text in [b"", b"POST /v1/jobs HTTP/1.1\r\nContent-Length: 100\r\n\r\n{", b"\0\xff\n\n", b"GET " + b"x" * 5000] * 8:
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(tgpu.socket))
        client.sendall(text)
        stalled.append(client)
    assert tgpu.wait(tgpu.submit("--", "true"))["state"] == "finished"
    for client in stalled:
        client.close()


def test_a_wait_is_answered_by_the_change_it_waits_for(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--hold", "--", "true")
    _, before = tgpu.api("GET", f"/v1/jobs?ids={job}")
    assert [shown["id"] for shown in before["jobs"]] == [job]
    import threading
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(
        tgpu.api("GET", f"/v1/jobs?ids={job}&after={before['revision']}")))
    waiter.start()
    tgpu.cli("release", str(job))
    waiter.join()
    assert answers[0][1]["jobs"][0]["revision"] > before["revision"]


def test_one_bad_id_costs_the_others_nothing(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    jobs = [tgpu.submit("--hold", "--", "true") for _ in range(3)]
    _, answer = tgpu.api("POST", "/v1/jobs/cancel", {"ids": "1,3,99"})
    by_id = {result["id"]: result for result in answer["results"]}
    assert by_id[1]["ok"] and by_id[3]["ok"] and not by_id[99]["ok"] and by_id[99]["status"] == 404
    assert tgpu.job(jobs[1])["state"] == "queued"
    _, again = tgpu.api("POST", "/v1/jobs/cancel", {"ids": "1"})
    assert again["results"][0]["status"] == 409


@pytest.mark.parametrize("order", ["order=queue", "order=newest", "ids=1-60", "ids=1-9,11-60", f"uid={os.getuid()}"])
def test_a_short_list_is_the_beginning_of_the_long_one(tgpu_factory, order):
    tgpu = tgpu_factory(gpus="simulated:2")
    for number in range(40):
        spec = {"command": ["sleep", "1000"], "cwd": "/", "env": {}, "num_gpus": 1, "priority": number * 17 % 40,
                "hold": number % 7 == 3}
        assert tgpu.api("POST", "/v1/jobs", spec)[0] == 201

    def ids(limit):
        answer = tgpu.api("GET", f"/v1/jobs?{order}&limit={limit}")[1]
        assert answer["more"] == (limit < len(expected))
        return [job["id"] for job in answer["jobs"]]

    expected = [job for job in range(1, 41) if order != "ids=1-9,11-60" or job != 10]
    whole = ids(1000)
    assert sorted(whole) == expected and (whole == sorted(whole, reverse=True)) == (order == "order=newest")
    assert order == "order=newest" or whole == [job["id"] for job in tgpu.api("GET", "/v1/jobs")[1]["jobs"]
                                                if job["id"] in expected]
    for limit in (1, 2, 3, 7, 19, 20, 21, 38, 39, 40):
        assert ids(limit) == whole[:limit], limit


def test_who_is_not_in_line_is_listed_where_he_will_stand(tgpu_factory):
    """Held, dependent and later jobs and arrays, walked in the order of the queue or named and then sorted: the same list."""
    tgpu = tgpu_factory(gpus="simulated:2")
    for number in range(60):
        spec = {"command": ["sleep", "1000"], "cwd": "/", "env": {}, "num_gpus": 1, "priority": number * 17 % 40,
                "hold": number % 7 == 3, **({"after": str(number)} if number % 5 == 4 else {}),
                **({"begin": "+1h"} if number % 6 == 1 else {}), **({"array": "1-3"} if number % 11 == 10 else {})}
        status, answer = tgpu.api("POST", "/v1/jobs", spec)
        assert status == 201, answer

    def ids(query):
        return [(job["id"], job["n_tasks"]) for job in tgpu.api("GET", f"/v1/jobs?limit=1000&{query}")[1]["jobs"]]

    walked = ids("order=queue")
    assert len(walked) == 60 and walked == ids("ids=1-1000")
    tgpu.restart()
    assert ids("order=queue") == walked
    tgpu.cli("release", "--state", "queued")
    assert ids("order=queue") == ids("ids=1-1000") != walked


def test_tasks_in_two_ranges_are_shown_once_each(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.api("POST", "/v1/jobs", {"command": ["true"], "cwd": "/", "env": {}, "array": "1-10", "hold": True})
    shown = tgpu.api("GET", "/v1/jobs?ids=2-3,5,9-50")[1]["jobs"]
    assert [(job["id"], job["n_tasks"]) for job in shown] == [(2, 2), (5, 1), (9, 2)]


def test_only_the_fields_asked_for(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    jobs = [tgpu.submit("--hold", "--", "true"), tgpu.submit("--", "true")]
    tgpu.wait(jobs[1])
    _, answer = tgpu.api("GET", "/v1/jobs?state=all&fields=state,id&order=newest")
    assert answer["jobs"] == [{"id": 2, "state": "finished"}, {"id": 1, "state": "queued"}]
    _, again = tgpu.api("GET", "/v1/jobs?ids=1&fields=id&after=0")
    assert again["jobs"] == [{"id": 1}]


def test_the_newest_may_be_over_while_more_live_than_are_listed(tgpu_factory):
    """What "last" asks for: a limit never changes which job comes first."""
    tgpu = tgpu_factory(gpus="simulated:2")
    living = [tgpu.submit("--gpus", "1", "--", "sleep", "1000"), tgpu.submit("--hold", "--", "true"),
              tgpu.submit("--gpus", "1", "--", "sleep", "1000")]
    ended = [tgpu.submit("--", "true"), tgpu.submit("--", "true")]
    for job in ended:
        assert tgpu.wait(job)["state"] == "finished"

    def newest(limit, more=""):
        answer = tgpu.api("GET", f"/v1/jobs?state=all&order=newest&limit={limit}{more}")[1]
        return [job["id"] for job in answer["jobs"]], answer["more"]

    everything = sorted(living + ended, reverse=True)
    for more in ("", f"&uid={os.getuid()}", "&ids=1-5", "&ids=1-2,4-5"):
        expected = [job for job in everything if job != 3 or more != "&ids=1-2,4-5"]
        for limit in range(1, 7):
            assert newest(limit, more) == (expected[:limit], limit < len(expected)), (limit, more)
    assert tgpu.cli("cancel", "last").returncode != 0, "it is over"
    assert tgpu.job(living[2])["state"] == "running"


def test_news_that_has_no_room_in_a_page_is_news(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    first = tgpu.submit("--hold", "--", "true")
    second = tgpu.submit("--hold", "--", "true")
    before = tgpu.api("GET", "/v1/status")[1]["revision"]
    assert tgpu.cli("update", str(second), "--name", "new").returncode == 0
    for query in (f"state=all&limit=1&after={before}", f"ids={first}-{second}&limit=1&after={before}"):
        began = time.monotonic()
        assert tgpu.api("GET", f"/v1/jobs?{query}")[1]["revision"] > before
        assert time.monotonic() - began < 20, "answered by the change, not by the end of patience"
