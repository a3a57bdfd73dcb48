# SPDX-License-Identifier: MIT
"""Each system call of tgpu-runner fails once, in its turn; and what it then leaves behind is true.

tests/helpers/faultpoint.c asks here what becomes of the Nth call of a kind, of the runner itself or of its child until
that executes the job. Whatever fails: the runner ends and so does every process of the job; a status is true, and
without a status nothing ran. With TGPU_RUNNER_FAULTS=all every call of every kind fails (of the
hundreds of a search in /proc every seventh), else a random sample.
"""
import contextlib
import errno
import fcntl
import itertools
import os
import pathlib
import random
import select
import shutil
import signal
import socket
import struct
import tempfile
import time

import pytest

from harness import BUILD, PATIENCE, report
from test_runner import IS_ROOT, NOBODY, Attempt, group  # noqa: F401

RUNNER = str(BUILD / "runner" / "tgpu-runner")
HELPER = str(BUILD / "tests" / "helpers" / "faultpoint")

# linux/seccomp.h
NOTIF = struct.Struct("=QII iIQ 6Q")  # id, pid, flags, nr, arch, ip, args
RESPONSE = struct.Struct("=QqiI")     # id, value, error, flags
ADDFD = struct.Struct("=QIIII")       # id, flags, the descriptor here, there, its flags
NOTIF_RECV, NOTIF_SEND, NOTIF_ADDFD = 0xC0502100, 0xC0182101, 0x40182103
CONTINUE, ADDFD_SEND = 1, 2

# What each call may fail with; 0 is a success that was none. Not close(2): it closes, whatever it says.
CALLS = {
    "access": [errno.EIO],
    "brk": [errno.ENOMEM],
    "chdir": [errno.EIO],
    "clone": [errno.EAGAIN],
    "clone3": [errno.EAGAIN],
    "close_range": [errno.ENOSYS],
    "dup2": [errno.EMFILE],
    "execve": [errno.EIO, errno.ENOMEM],
    "fallocate": [errno.EIO, errno.EOPNOTSUPP],
    "fchown": [errno.EPERM],
    "fcntl": [errno.EMFILE],
    "fstat": [errno.EIO],
    "fsync": [errno.EIO],
    "getdents64": [errno.EIO],
    "kill": [errno.EPERM],
    "mkdir": [errno.ENOSPC, errno.EACCES],
    "mmap": [errno.ENOMEM],
    "newfstatat": [errno.EIO],
    "openat": [errno.EMFILE, errno.ENOENT],
    "pidfd_open": [errno.EMFILE],
    "pidfd_send_signal": [errno.EPERM],
    "pipe2": [errno.EMFILE],
    "poll": [errno.EINTR],
    "prctl": [errno.EINVAL],
    "prlimit64": [errno.EPERM],
    "read": [errno.EIO, errno.EINTR],
    "renameat": [errno.EIO],
    "rmdir": [errno.EBUSY],
    "rt_sigprocmask": [errno.EINVAL],
    "sendto": [errno.ECONNREFUSED],
    "setgroups": [errno.EPERM, 0],
    "setresgid": [errno.EPERM, 0],
    "setresuid": [errno.EAGAIN, 0],
    "setsid": [errno.EPERM],
    "setuid": [errno.EPERM],
    "signalfd4": [errno.EMFILE],
    "socket": [errno.EMFILE],
    "unlinkat": [errno.EIO],
    "wait4": [errno.EINTR],
    "write": [errno.ENOSPC, errno.EINTR],
}

LOG_BYTES = 200_000  # more than log_max

# What the job does, and all that may be said of its end.
SCENARIOS = {
    "exits": (f"head -c {LOG_BYTES} /dev/zero; exit 7", [("exit", "7", "0")]),
    "leaves": ('(trap "" TERM; exec setsid cat go) & exit 7', [("exit", "7", "0")]),
    "overruns": ("exec cat go", [("timeout", "-1", "15"), ("timeout", "-1", "9")]),
}
KILLED = -1  # no errno: whoever makes the call dies of it
EVERY = os.environ.get("TGPU_RUNNER_FAULTS") == "all"
FIRST, SAMPLE, AMONG = 8, 2, 500  # without it: the first calls of a kind, and some of the many of a search in /proc,
SEARCHING = ("openat", "read")    # which fail in one way each

pytestmark = pytest.mark.skipif("sanitize" in str(BUILD), reason="its runtime makes system calls of its own")


class Fault:
    """The Nth call of a kind by the runner, or by its child before that is the job."""

    def __init__(self, call, error, who, number):
        self.call, self.error, self.who, self.number = call, error, who, number
        self.count = 0

    def __str__(self):
        return f"{self.call} {self.number} of the {self.who}: {errno.errorcode.get(self.error, self.error)}"

    @property
    def happened(self):
        return self.count >= self.number

    def answer(self, question):
        if question.who != self.who:
            return question.go_on()
        self.count += 1
        if self.count != self.number:
            return question.go_on()
        if self.error != KILLED:
            return question.fail(self.error)
        os.kill(question.pid, signal.SIGKILL)
        return question.go_on()


class Question:
    """Somebody waits in a system call for what is to come of it."""

    def __init__(self, attempt, listener):
        self.listener, notification = listener, bytearray(NOTIF.size)
        fcntl.ioctl(listener, NOTIF_RECV, notification)
        self.id, self.pid, _, _, _, _, *self.arguments = NOTIF.unpack(notification)
        self.who = "somebody else"
        if os.readlink(f"/proc/{self.pid}/exe") == RUNNER:
            self.who = "runner" if self.pid == attempt.pid else "child"

    def text(self, argument):
        """The string that an argument points to."""
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
            memory.seek(self.arguments[argument])
            return memory.read(256).split(b"\0")[0].decode()

    def go_on(self):
        fcntl.ioctl(self.listener, NOTIF_SEND, RESPONSE.pack(self.id, 0, 0, CONTINUE))

    def fail(self, error):
        fcntl.ioctl(self.listener, NOTIF_SEND, RESPONSE.pack(self.id, 0, -error, 0))

    def give(self, file):
        """The call opens this file."""
        fcntl.ioctl(self.listener, NOTIF_ADDFD, ADDFD.pack(self.id, ADDFD_SEND, file.fileno(), 0, os.O_CLOEXEC))


def make_attempt(home, group, scenario):
    attempt = Attempt(home, group)
    attempt.record.update(script=f"grep Groups /proc/self/status > ran; {SCENARIOS[scenario][0]}\n", nofile="256",
                          error=str(home / "err"), log_max="65536", grace_ms="0", mem_bytes=str(1 << 30))
    if scenario == "overruns":
        attempt.record["limit_ms"] = "1"
    if IS_ROOT:
        attempt.record.update(drop_ids="1", uid=str(NOBODY), gid=str(NOBODY), groups=[7, 12345])
        os.chown(home, NOBODY, NOBODY)
    return attempt


def start(attempt, call):
    """Start the runner. The descriptor on which its calls are asked about."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        attempt.start(program=(HELPER, "5", call, RUNNER), more_fds=(theirs.fileno(),))
        theirs.close()
        listeners = socket.recv_fds(ours, 1, 1, socket.MSG_CMSG_CLOEXEC)[1]
    if not listeners:
        attempt.wait()
        pytest.skip(f"no {call} here, or no filter that asks")
    return listeners[0]


def serve(attempt, listener, answer):
    """Answer until nobody is left to ask: the runner, the job and whatever hides from them are gone."""
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            events = poller.poll(PATIENCE * 1000)
            assert events and time.monotonic() < deadline, "it does not end, or leaves something behind"
            if not events[0][1] & select.POLLIN:
                return
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # whoever asked may be dead by now
                answer(Question(attempt, listener))
    finally:
        os.close(listener)


def check(attempt, code, scenario, fault):
    """What is left on disk is true."""
    files, ran = set(os.listdir(attempt.dir)), attempt.home / "ran"
    assert files <= {"lock", "runner", "started", "status", "script"}
    if "status" not in files:
        assert code != 0 and not ran.exists() and fault.happened
        return
    status = attempt.file("status")
    if status["cause"] == "launch" or fault.error == KILLED:
        assert fault.happened and status["error"] and status["start_ns"] == "0"
        assert not ran.exists() and "started" not in files
        return
    assert (status["cause"], status["exit_code"], status["signal"]) in SCENARIOS[scenario][1]
    assert int(status["start_ns"]) > 0
    assert "started" in files or fault.happened
    assert ran.exists() or status["cause"] == "timeout"
    if IS_ROOT and ran.exists():
        assert (ran.stat().st_uid, ran.stat().st_gid) == (NOBODY, NOBODY)
        assert ran.read_text() in ("", "Groups:\t7 12345 \n")
    if scenario == "exits" and fault.error != errno.EOPNOTSUPP:
        assert (attempt.home / "out").stat().st_size == LOG_BYTES, "the log is gone"


@contextlib.contextmanager
def prepared(group, scenario):
    """An attempt that is not started yet; whatever it becomes is gone in the end."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="tgpu-runner-"))
    home.chmod(0o711)
    attempt = make_attempt(home, group, scenario)
    try:
        yield attempt
    finally:
        if attempt.pid:
            attempt.signal(signal.SIGKILL)
            attempt.wait()
        attempt.clean()
        shutil.rmtree(home)


def visit(group, scenario, fault):
    """One run with one fault. Whether it came to that."""
    leaves = set(group.iterdir()) if group else set()
    with prepared(group, scenario) as attempt:
        try:
            serve(attempt, start(attempt, fault.call), fault.answer)
            check(attempt, attempt.wait(), scenario, fault)
            assert fault.happened or not group or set(group.iterdir()) == leaves
        except AssertionError as problem:
            said = attempt.file("status") if (attempt.dir / "status").exists() else None
            raise AssertionError(f"{scenario}, {fault}: {said}") from problem
    return fault.happened


def numbers():
    if EVERY:
        return itertools.chain(range(1, 100), itertools.count(100, 7))
    return [*range(1, FIRST + 1), *sorted(random.SystemRandom().sample(range(FIRST + 1, AMONG), SAMPLE))]


@pytest.mark.parametrize("call", CALLS)
def test_a_system_call_fails(group, call):
    runs = 0
    errors = CALLS[call] if EVERY or call not in SEARCHING else [random.choice(CALLS[call])]
    for scenario, error, who in itertools.product(SCENARIOS, errors, ("runner", "child")):
        if error == 0 and who == "runner":
            continue  # it takes root's rights back, which the kernel does where it says so
        for number in numbers():
            runs += 1
            if not visit(group, scenario, Fault(call, error, who, number)):
                break
    report(f"runner faults: {call}: {runs} runs")


@pytest.mark.parametrize("call", ["prctl", "openat", "dup2", "chdir"])
def test_the_child_is_killed_before_it_is_the_job(group, call):
    assert visit(group, "exits", Fault(call, KILLED, "child", 1))


@pytest.mark.parametrize("group", ["cgroup"], indirect=True)
def test_a_kill_for_memory_is_seen_though_the_job_ended_well(group, tmp_path):
    """On any machine: the leaf's memory.events is one of ours."""
    events = tmp_path / "events"
    events.write_text("low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\noom_group_kill 0\n")

    def answer(question):
        if question.who != "runner" or not question.text(1).endswith("/memory.events"):
            return question.go_on()
        with open(events, "rb") as file:
            return question.give(file)

    with prepared(group, "exits") as attempt:
        serve(attempt, start(attempt, "openat"), answer)
        assert attempt.wait() == 0
        status = attempt.file("status")
    assert (status["cause"], status["exit_code"]) == ("oom", "7")


@pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
def test_no_log_is_cut_as_root(group):
    """The job makes its log a symlink to what it may not write, just before the runner opens it to cut it."""
    with prepared(group, "exits") as attempt:
        log, precious = attempt.home / "out", attempt.dir / "precious"
        precious.write_bytes(bytes(LOG_BYTES))
        precious.chmod(0o600)
        blocks = precious.stat().st_blocks

        def answer(question):
            if question.who == "runner" and question.text(1) == str(log):
                log.rename(attempt.home / "moved")
                log.symlink_to(precious)
            question.go_on()

        serve(attempt, start(attempt, "openat"), answer)
        assert attempt.wait() == 0
        assert log.is_symlink() and precious.stat().st_blocks == blocks
