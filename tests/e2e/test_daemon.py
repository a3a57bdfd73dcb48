# SPDX-License-Identifier: MIT
"""The daemon's own life: starting beside others, being told to stop at awkward moments."""
import http.client
import json
import os
import re
import signal
import subprocess
import threading

import pytest

from harness import BUILD, PATIENCE, ROOT, TGPUD, UnixConnection

pytestmark = pytest.mark.sanitize


def ask(*words):
    return subprocess.run([TGPUD, *words], capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize("words, says", [
    (["--confg", "x"], "there is no option --confg; did you mean --config?"),
    (["--config"], "--config needs a value; write --config FILE"),
    (["--sys"], "there is no option --sys"),
    (["--ready-fd", "two"], "--ready-fd two: write the number of an open descriptor"),
    (["--ready-fd", "2"], "--ready-fd 2"),
    (["start"], "\"start\" is one word too many"),
])
def test_a_wrong_command_line_is_said(words, says):
    done = ask(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tgpud: ") and says in done.stderr and done.stderr.count("\n") == 1


def test_its_help_and_its_manual_page_name_every_option():
    done = ask("--help")
    assert (done.returncode, done.stderr) == (0, "") and max(map(len, done.stdout.splitlines())) <= 80
    page = (ROOT / "man" / "tgpud.8").read_text()
    synopsis = page.split(".Sh SYNOPSIS")[1].split(".Sh")[0]
    options = re.findall(r"^ +(?:-\w, )?--([\w-]+)", done.stdout, re.M)
    assert {"check-store", "version", "help"} <= set(options)
    for option in options:
        assert re.search(rf"^\.It .*Fl -{option}\b", page, re.M)
        assert option == "help" or f".Op Fl -{option}" in synopsis
    assert ask("--version").stdout == ask("-V").stdout and ask("-V").stdout.startswith("tgpud ")


def catches(pid, number):
    """Does this process handle the signal by now?"""
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        caught = next(line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return int(caught, 16) & 1 << (number - 1)


@pytest.fixture
def silent_probe(tmp_path):
    """A directory of programs whose probe says nothing, as one that hangs in the driver."""
    probe = tmp_path / "tgpu-probe"
    probe.write_text("#!/bin/sh\nexec cat\n")
    probe.chmod(0o755)
    return tmp_path


def test_it_can_be_stopped_while_it_waits_for_the_first_look(tgpu_factory, silent_probe):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.stop()
    process, ready = tgpu.popen_daemon(TGPU_LIBEXEC_DIR=str(silent_probe))
    while not catches(process.pid, signal.SIGTERM):
        assert process.poll() is None, tgpu.daemon_log()
        os.sched_yield()
    process.terminate()
    try:
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
    with os.fdopen(ready) as lines:
        assert lines.read() == "", "it was told to end, not to be ready"


def test_while_it_starts_those_who_need_it_wait(tgpu_factory, silent_probe):
    """It listens before it looks at the GPUs, so nobody starts another, or talks to a daemon of their own instead."""
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.stop()
    os.mkfifo(silent_probe / "go")
    (silent_probe / "tgpu-probe").write_text(
        f"#!/bin/sh\nread line < {silent_probe}/go\nexec {BUILD}/probe/tgpu-probe \"$@\"\n")
    process, ready = tgpu.popen_daemon(TGPU_LIBEXEC_DIR=str(silent_probe))
    os.close(ready)
    tgpu.daemon = process
    with open(silent_probe / "go", "w", encoding="ascii") as go:  # opens once the probe is there
        waiting = UnixConnection(tgpu.socket)
        waiting.request("GET", "/v1/status")
        submit = tgpu.popen("submit", "--parsable", "--", "true")
        go.write("go\n")
    assert json.loads(waiting.getresponse().read())["pid"] == process.pid
    waiting.close()
    assert submit.communicate(timeout=PATIENCE)[0].strip() == "1"
    assert json.loads(tgpu.cli("daemon", "status", "--json").stdout)["pid"] == process.pid


def test_what_has_stopped_is_gone(tgpu_factory):
    """Its parent, which is this process, has not looked after it yet."""
    tgpu = tgpu_factory(gpus="simulated:1")
    assert tgpu.cli("daemon", "stop").returncode == 0
    status = tgpu.cli("daemon", "status")
    assert status.returncode == 3 and "no daemon listens on" in status.stderr
    assert tgpu.daemon.wait(PATIENCE) == 0
    tgpu.daemon = None


def test_a_daemon_of_a_socket_alone_is_not_restarted(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    del tgpu.env["TGPU_STATE_DIR"]
    done = tgpu.cli("daemon", "restart")
    assert done.returncode == 2 and str(tgpu.socket) in done.stderr
    assert tgpu.cli("daemon", "status").returncode == 0


def test_requests_that_come_while_it_stops(tgpu_factory):
    """They are refused, or the connection ends; the daemon's own end is an orderly one."""
    tgpu = tgpu_factory(gpus="simulated:1")
    stopped = threading.Event()
    answers = set()

    def ask():
        while not stopped.is_set():
            connection = UnixConnection(tgpu.socket)
            try:
                while not stopped.is_set():
                    connection.request("GET", "/v1/status")
                    answer = connection.getresponse()
                    answer.read()
                    answers.add(answer.status)
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            tgpu.restart()  # and looks at the exit code
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    assert answers <= {200, 503}


def test_a_file_that_is_no_socket_is_left_alone(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.stop()
    tgpu.socket.write_text("somebody's work\n")
    process, line = tgpu.spawn_daemon()
    assert process.wait(PATIENCE) != 0 and "no socket" in line
    assert tgpu.socket.read_text() == "somebody's work\n"


def test_a_path_that_is_no_text_costs_an_answer_not_the_daemon(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.stop()
    tgpu.start(TGPU_STATE_DIR=os.fsencode(tgpu.state) + b"\xff")
    assert tgpu.api("GET", "/v1/status")[0] == 500
    assert tgpu.wait(tgpu.submit("--", "true"))["state"] == "finished"
    tgpu.restart()
