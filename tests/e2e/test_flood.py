# SPDX-License-Identifier: MIT
"""Clients that stall, read nothing or come by the thousand take nothing from anybody else."""
import contextlib
import json
import resource
import socket

import pytest

CONFIG = "max_connections_per_user = 40\n"


@pytest.fixture
def clients():
    """connect(tgpu) -> a socket that is closed at the end"""
    with contextlib.ExitStack() as stack:

        def connect(tgpu):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(str(tgpu.socket))  # waits while the daemon's backlog is full
            client.settimeout(60)
            return client

        yield connect


def finishes_a_job(tgpu):
    return tgpu.wait(tgpu.submit("--", "true"))["state"] == "finished"


@pytest.mark.parametrize("text", [
    b"", b"POST /v1/jobs HTTP/1.1\r\nContent-Length: 100\r\n\r\n{", b"GET /v1/jobs HTTP/1.1\r\nX: ", b"\0\xff\n\n"])
def test_those_who_stall(tgpu_factory, clients, text):
    tgpu = tgpu_factory(gpus="simulated:1", config=CONFIG)
    for _ in range(200):
        clients(tgpu).sendall(text)
    assert finishes_a_job(tgpu)


def test_those_who_do_not_read(tgpu_factory, clients):
    tgpu = tgpu_factory(gpus="simulated:1", config=CONFIG)
    for number in range(200):  # so that an answer does not fit into the socket's buffer
        assert tgpu.api("POST", "/v1/jobs", {"command": ["true", "x" * 4000], "cwd": "/", "env": {}, "hold": True,
                                             "name": str(number)})[0] == 201
    for _ in range(100):
        clients(tgpu).sendall(b"GET /v1/jobs?limit=200 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert finishes_a_job(tgpu)
    assert len(tgpu.api("GET", "/v1/jobs?state=queued")[1]["jobs"]) == 200


def test_ten_thousand_connections(tgpu_factory):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    at_once = min(hard if hard != resource.RLIM_INFINITY else 4096, 4096) // 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096) if hard != resource.RLIM_INFINITY else 4096), hard))
    try:
        tgpu = tgpu_factory(gpus="simulated:1")
        left = 10000
        while left > 0:
            with contextlib.ExitStack() as stack:
                for _ in range(min(left, at_once)):
                    client = stack.enter_context(socket.socket(socket.AF_UNIX))
                    client.connect(str(tgpu.socket))
                    left -= 1
                assert finishes_a_job(tgpu)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_request_that_waits_for_its_answer_is_never_pushed_out(tgpu_factory, clients):
    tgpu = tgpu_factory(gpus="simulated:1", config=CONFIG)
    job = tgpu.submit("--hold", "--", "true")
    revision = tgpu.job(job)["revision"]
    waiting = clients(tgpu)
    waiting.sendall(f"GET /v1/jobs/{job}?after={revision} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    tgpu.api("GET", "/v1/status")  # answered after the one before it has been read
    for _ in range(200):
        clients(tgpu)
    tgpu.cli("release", str(job))
    assert b"200 OK" in waiting.recv(4096)


def test_those_who_wait_and_leave(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1", config=CONFIG)
    job = tgpu.submit("--hold", "--", "true")
    revision = tgpu.job(job)["revision"]
    for _ in range(200):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tgpu.socket))
            client.sendall(f"GET /v1/jobs/{job}?after={revision} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert finishes_a_job(tgpu)


def test_when_all_wait_the_next_is_told_so(tgpu_factory, clients):
    tgpu = tgpu_factory(gpus="simulated:1", config=CONFIG)
    job = tgpu.submit("--hold", "--", "true")
    revision = tgpu.job(job)["revision"]
    request = f"GET /v1/jobs/{job}?after={revision} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    answer = b""
    for _ in range(400):  # while one of the forty is not read yet, it makes room
        client = clients(tgpu)
        client.settimeout(0.05)
        with contextlib.suppress(TimeoutError, ConnectionError):
            client.sendall(request)
            answer = client.recv(4096)
        if answer:
            break
    head, body = answer.split(b"\r\n\r\n", 1)
    assert b" 503 " in head and "max_connections" in json.loads(body)["error"]
    assert f"Content-Length: {len(body)}".encode() in head


def test_jobs_get_the_limit_of_open_files_that_the_daemon_was_started_with(tgpu_factory):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        tgpu = tgpu_factory(gpus="simulated:1")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    job = tgpu.submit("--", "sh", "-c", "ulimit -Sn")
    tgpu.wait(job)
    assert tgpu.log_of(job).strip() == "512"
    assert resource.prlimit(tgpu.daemon.pid, resource.RLIMIT_NOFILE)[0] > 512
