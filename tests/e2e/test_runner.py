# SPDX-License-Identifier: MIT
"""tgpu-runner by itself: one launch record in, real processes, three files out.

Every test runs twice where a cgroup can be made: in one, and watched by kinship alone. Nothing
sleeps: jobs say that they are ready through a FIFO, the runner through its hint socket, and its end
through a pidfd.
"""
import fcntl
import itertools
import os
import pathlib
import select
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import uuid

import pytest

RUNNER = os.path.join(os.environ.get("TGPU_BUILD_DIR", "build"), "runner", "tgpu-runner")
DEADLINE_S = 60
NOBODY = 65534
IS_ROOT = os.geteuid() == 0
job_ids = itertools.count(1)


def own_group():
    """The cgroup2 directory of this process, or None."""
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(mount + "/cgroup.procs"):
            for line in open("/proc/self/cgroup", encoding="ascii"):
                if line.startswith("0::"):
                    return pathlib.Path(mount + line[3:].strip())
    return None


def end_group(group):
    """Kill what is in it, wait until it is empty, and remove it with those below."""
    with open(group / "cgroup.events", encoding="ascii") as events:
        watcher = select.poll()
        watcher.register(events, select.POLLPRI)
        (group / "cgroup.kill").write_text("1")
        while "populated 0" not in events.read():
            assert watcher.poll(DEADLINE_S * 1000), "the group does not empty"
            events.seek(0)
    for child in filter(pathlib.Path.is_dir, list(group.iterdir())):
        end_group(child)
    group.rmdir()


def readable(fd):
    return bool(select.select([fd], [], [], DEADLINE_S)[0])


def processes_with(cookie):
    """The pids of those living whose environment has the cookie."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if cookie.encode() in pathlib.Path("/proc", name, "environ").read_bytes():
                found.append(int(name))
        except OSError:
            pass
    return found


def has_capability(number):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    effective = next(line for line in lines if line.startswith("CapEff"))
    return bool(int(effective.split()[1], 16) >> number & 1)


class Attempt:
    """One run of tgpu-runner."""

    def __init__(self, home, group):
        self.home, self.group = home, group
        self.dir = home / "attempt"
        self.dir.mkdir(mode=0o711)
        self.cookie = "COOKIE=" + uuid.uuid4().hex
        self.hints = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.hints.bind(str(home / "hint"))
        self.hints.settimeout(DEADLINE_S)
        self.ready_fd, self.go_fd = self.make_fifo("ready"), self.make_fifo("go")
        self.said = b""
        self.pid = self.pidfd = None
        self.record = {
            "job": str(next(job_ids)), "attempt": "1", "dir": str(self.dir),
            "hint_socket": str(home / "hint"), "drop_ids": "0", "uid": "0", "gid": "0",
            "cwd": str(home), "output": str(home / "out"), "umask": str(0o077), "signal": "15",
            "grace_ms": "30000", "limit_ms": "0", "mem_bytes": "0",
        }
        if group:
            self.record["cgroup"] = str(group)
        self.env = ["PATH=/usr/bin:/bin", f"READY={home}/ready", f"GO={home}/go", self.cookie]

    def make_fifo(self, name):
        path = self.home / name
        os.mkfifo(path)
        path.chmod(0o666)
        return os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def encode(self, argv):
        pieces = ["version=1"] + [f"{key}={value}" for key, value in self.record.items()
                                  if value is not None and key != "groups"]
        pieces += [f"group={group}" for group in self.record.get("groups", [])]
        pieces += [f"arg={word}" for word in argv] + [f"env={item}" for item in self.env]
        return b"".join(os.fsencode(piece) + b"\0" for piece in pieces)

    def spawn(self, spec_fd, stderr_fd=2, program=(RUNNER,), more_fds=()):
        """Start the runner, or a program that becomes it and finds `more_fds` from 5 on."""
        lock_fd = os.open(self.dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(lock_fd, fcntl.LOCK_EX)
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)
                for fd in (spec_fd, lock_fd, stderr_fd, *more_fds)]
        everything = signal.valid_signals()
        self.pid = os.posix_spawn(
            program[0], program, {}, setsigmask=everything,
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                          (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
                          (os.POSIX_SPAWN_DUP2, high[2], 2), (os.POSIX_SPAWN_DUP2, high[0], 3),
                          (os.POSIX_SPAWN_DUP2, high[1], 4),
                          *((os.POSIX_SPAWN_DUP2, fd, 5 + i) for i, fd in enumerate(high[3:]))])
        for fd in high + [lock_fd]:
            os.close(fd)
        self.pidfd = os.pidfd_open(self.pid)

    def start(self, *argv, **spawn):
        spec_fd = os.memfd_create("launch")
        os.write(spec_fd, self.encode(argv))
        os.lseek(spec_fd, 0, os.SEEK_SET)
        self.spawn(spec_fd, **spawn)
        os.close(spec_fd)
        return self

    def shell(self, script, **spawn):
        return self.start("sh", "-c", script, **spawn)

    def hint(self):
        return self.hints.recv(128).decode()

    def word(self):
        """The next line that a job writes into $READY."""
        while b"\n" not in self.said:
            assert readable(self.ready_fd), "the job does not say anything"
            self.said += os.read(self.ready_fd, 65536)
        line, self.said = self.said.split(b"\n", 1)
        return line.decode()

    def let_go(self):
        """Let a job go on that does `read x < $GO`."""
        os.write(self.go_fd, b"go\n")

    def signal(self, number):
        signal.pidfd_send_signal(self.pidfd, number)

    def wait(self):
        """The runner's exit code."""
        assert readable(self.pidfd), "the runner does not end"
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.pidfd)
        self.pid = self.pidfd = None
        return code

    def file(self, name):
        lines = (self.dir / name).read_text().splitlines()
        assert lines[-1] == "end=1"
        return dict(line.split("=", 1) for line in lines)

    def status(self):
        """Wait for the end, and what was recorded of it."""
        assert self.wait() == 0
        assert processes_with(self.cookie) == []
        return self.file("status")

    def output(self):
        return pathlib.Path(self.record["output"]).read_text()

    def lock_is_held(self):
        with open(self.dir / "lock", "r+b") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def clean(self):
        if self.pid:
            self.signal(signal.SIGINT)
            self.wait()
        for pid in processes_with(self.cookie):
            os.kill(pid, signal.SIGKILL)
        os.close(self.ready_fd)
        os.close(self.go_fd)
        self.hints.close()


@pytest.fixture(params=["cgroup", "kinship"])
def group(request):
    if request.param == "kinship":
        yield None
        return
    own = own_group()
    base = own / f"tgpu-test-{uuid.uuid4().hex[:8]}" if own else None
    if not own or not os.access(own / "cgroup.procs", os.W_OK):
        pytest.skip("no cgroup can be made here")
    base.mkdir()
    yield base
    end_group(base)


@pytest.fixture
def attempt(group):
    home = pathlib.Path(tempfile.mkdtemp(prefix="tgpu-runner-"))
    home.chmod(0o711)
    run = Attempt(home, group)
    yield run
    run.clean()
    shutil.rmtree(home)


needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")


# --- how it ends -------------------------------------------------------------------------------

@pytest.mark.parametrize("code", [0, 7, 255])
def test_exit_code(attempt, code):
    status = attempt.shell(f"exit {code}").status()
    assert (status["cause"], status["exit_code"], status["signal"]) == ("exit", str(code), "0")


def test_death_by_a_signal(attempt):
    status = attempt.shell("kill -9 $$").status()
    assert (status["cause"], status["exit_code"], status["signal"]) == ("signal", "-1", "9")


def test_records_and_hints_are_complete(attempt):
    before = time.time_ns()
    attempt.shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
    job, pid = attempt.record["job"], attempt.pid
    assert [attempt.hint() for _ in range(3)] == [f"{job} 1 {name}" for name in
                                                  ("runner", "started", "status")]
    status = attempt.status()
    runner, started = attempt.file("runner"), attempt.file("started")
    assert int(runner["pid"]) == pid and int(runner["start_ticks"]) > 0
    assert runner["boot_id"] == pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert runner["cgroup"].startswith(f"{attempt.group}/{job}.1" if attempt.group else "")
    assert int(started["job_pid"]) > 1
    assert before < int(started["start_ns"]) == int(status["start_ns"])
    assert int(status["start_ns"]) <= int(status["end_ns"]) < time.time_ns()
    assert int(status["cpu_ns"]) > 0 and int(status["peak_bytes"]) > 100_000
    assert status["error"] == ""


def test_nothing_is_left_behind(attempt):
    attempt.shell("true").status()
    assert not attempt.lock_is_held()
    assert not attempt.group or [x for x in attempt.group.iterdir() if x.is_dir()] == []
    assert sorted(os.listdir(attempt.dir)) == ["lock", "runner", "started", "status"]


def test_handler_may_end_well_within_the_grace(attempt):
    attempt.shell('trap "exit 0" TERM; echo > $READY; while :; do sleep 0.01; done')
    attempt.word()
    attempt.signal(signal.SIGTERM)
    status = attempt.status()
    assert (status["cause"], status["exit_code"]) == ("stopped", "0")


def test_the_signal_is_the_records(attempt):
    attempt.record["signal"] = str(int(signal.SIGUSR1))
    attempt.shell('trap "exit 3" USR1; echo > $READY; while :; do sleep 0.01; done')
    attempt.word()
    attempt.signal(signal.SIGTERM)
    assert attempt.status()["exit_code"] == "3"


def test_a_stopped_job_hears_the_signal(attempt):
    attempt.shell('trap "exit 5" TERM; echo > $READY; kill -STOP $$; while :; do sleep 1; done')
    attempt.word()
    attempt.signal(signal.SIGTERM)
    assert attempt.status()["exit_code"] == "5"


def test_deaf_job_is_killed_after_the_grace(attempt):
    attempt.record["grace_ms"] = "200"
    attempt.shell('trap "" TERM; echo > $READY; while :; do sleep 1; done')
    attempt.word()
    begin = time.monotonic()
    attempt.signal(signal.SIGTERM)
    status = attempt.status()
    assert (status["cause"], status["signal"]) == ("stopped", "9")
    assert time.monotonic() - begin >= 0.2


def test_sigint_kills_at_once(attempt):
    attempt.shell('trap "" TERM INT; echo > $READY; while :; do sleep 1; done')
    attempt.word()
    begin = time.monotonic()
    attempt.signal(signal.SIGINT)
    status = attempt.status()
    assert (status["cause"], status["signal"]) == ("stopped", "9")
    assert time.monotonic() - begin < 20


def test_sigint_cuts_the_grace_short(attempt):
    attempt.shell('trap "echo heard > $READY" TERM; echo > $READY; while :; do sleep 0.01; done')
    attempt.word()
    attempt.signal(signal.SIGTERM)
    assert attempt.word() == "heard"
    attempt.signal(signal.SIGINT)
    assert attempt.status()["signal"] == "9"


def test_time_limit(attempt):
    attempt.record["limit_ms"] = "150"
    status = attempt.shell("sleep 1000").status()
    assert (status["cause"], status["signal"]) == ("timeout", "15")
    assert int(status["end_ns"]) - int(status["start_ns"]) >= 150_000_000


def test_time_limit_with_a_deaf_job(attempt):
    attempt.record.update(limit_ms="100", grace_ms="100")
    status = attempt.shell('trap "" TERM; while :; do sleep 1; done').status()
    assert (status["cause"], status["signal"]) == ("timeout", "9")


def test_a_signal_before_the_start_is_not_lost(attempt):
    spec_read, spec_write = os.pipe()
    attempt.spawn(spec_read)
    attempt.signal(signal.SIGTERM)
    os.write(spec_write, attempt.encode(["sleep", "1000"]))
    os.close(spec_write)
    os.close(spec_read)
    assert attempt.status()["cause"] == "stopped"


# --- its whole tree ----------------------------------------------------------------------------

ESCAPE = ('setsid sh -c \'trap "" TERM HUP; (setsid sh -c "trap \\"\\" TERM HUP; echo away > '
          '$READY; while :; do sleep 1; done" &) ; exit 0\' & ')


def test_escapee_is_gone_at_the_end(attempt):
    attempt.record["grace_ms"] = "100"
    attempt.shell(ESCAPE + "read x < $GO; exit 4").word()
    attempt.let_go()
    status = attempt.status()
    assert (status["cause"], status["exit_code"]) == ("exit", "4")


def test_escapee_is_gone_after_a_kill(attempt):
    attempt.shell(ESCAPE + "while :; do sleep 1; done").word()
    attempt.signal(signal.SIGINT)
    assert attempt.status()["cause"] == "stopped"


def test_those_left_behind_are_asked_first(attempt):
    attempt.shell('(trap "echo bye; exit" TERM; echo > $READY; while :; do sleep 0.01; done) & '
                  'read x < $GO; exit 6').word()
    attempt.let_go()
    status = attempt.status()
    assert (status["cause"], status["exit_code"]) == ("exit", "6")
    assert attempt.output().endswith("bye\n")


def test_fork_bomb_is_gone(attempt):
    """A tree of about 500 processes, killed while it still grows."""
    attempt.shell('f() { [ $1 -eq 4 ] && echo > $READY; [ $1 -gt 0 ] || exec sleep 1000; '
                  'f $(($1-1)) & f $(($1-1)) & wait; }; trap "" TERM; f 8')
    attempt.word()
    attempt.signal(signal.SIGINT)
    assert attempt.status()["cause"] == "stopped"


def test_killed_runner_leaves_a_trace(attempt):
    attempt.shell("setsid sh -c 'echo > $READY; read x < $GO' & echo > $READY; read x < $GO")
    attempt.word()
    attempt.word()
    assert [attempt.hint(), attempt.hint()][1].endswith("started")
    assert attempt.lock_is_held()
    attempt.signal(signal.SIGKILL)
    assert attempt.wait() == -signal.SIGKILL
    assert sorted(os.listdir(attempt.dir)) == ["lock", "runner", "started"]
    assert not attempt.lock_is_held(), "the job holds the lock"
    deadline = time.monotonic() + 60
    while len(processes_with(attempt.cookie)) > 1:  # the first process dies with the runner
        assert time.monotonic() < deadline
    assert len(processes_with(attempt.cookie)) == 1, "the escapee is left to the daemon"
    if attempt.group:
        leaf = pathlib.Path(attempt.file("runner")["cgroup"])
        assert "populated 1" in (leaf / "cgroup.events").read_text()
        end_group(leaf)
        assert processes_with(attempt.cookie) == []


@pytest.mark.parametrize("group", ["cgroup"], indirect=True)
def test_stale_leaf_is_never_used_again(attempt):
    stale = attempt.group / f"{attempt.record['job']}.1.0"
    stale.mkdir()
    (stale / "cgroup.kill").write_text("1")
    assert attempt.shell("exit 0").status()["exit_code"] == "0"
    assert attempt.file("runner")["cgroup"] != str(stale)
    assert stale.is_dir()


@pytest.mark.parametrize("group", ["cgroup"], indirect=True)
def test_job_is_in_its_leaf(attempt):
    attempt.shell("cat /proc/self/cgroup").status()
    leaf = pathlib.Path(attempt.file("runner")["cgroup"])
    assert any(line.startswith("0::") and line.endswith(leaf.name)
               for line in attempt.output().splitlines())


@pytest.mark.parametrize("group", ["cgroup"], indirect=True)
def test_memory_limit(attempt):
    if "memory" not in (attempt.group / "cgroup.controllers").read_text():
        pytest.skip("cgroup2 has no memory controller here")
    (attempt.group / "cgroup.subtree_control").write_text("+memory")
    attempt.record["mem_bytes"] = str(64 << 20)
    status = attempt.shell("head -c 1G /dev/zero | tail -c 1G; exit 0").status()
    assert status["cause"] == "oom"


def test_usage_of_orphans_counts(attempt):
    """Of a process whose parents are gone, and of its children."""
    attempt.shell("""(setsid sh -c 'head -c 50000000 /dev/zero | tail -c 50000000 > /dev/null
                  i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; times > times; echo > $READY' &); read x < $GO""")
    attempt.word()
    attempt.let_go()
    status = attempt.status()
    used = [float(word[2:-1]) for word in (attempt.home / "times").read_text().split()]
    assert 0 < sum(used) * 0.9e9 < int(status["cpu_ns"]) < 60e9
    assert 50_000_000 < int(status["peak_bytes"]) < 1_000_000_000


# --- what it gets to see -----------------------------------------------------------------------

def test_environment_is_exactly_the_records(attempt):
    attempt.env += ["ODD=two\nlines = here", "EMPTY="]
    attempt.start("/usr/bin/env", "-0").status()
    assert attempt.output().split("\0")[:-1] == attempt.env


def test_words_arrive_as_they_are(attempt):
    attempt.start("printf", "[%s]", "", "a b", "$HOME", "new\nline").status()
    assert attempt.output() == "[][a b][$HOME][new\nline]"


def test_no_descriptor_is_inherited(attempt):
    attempt.shell("ls -l /proc/self/fd | awk 'NR > 1 { print $9 }'").status()
    assert attempt.output().split() == ["0", "1", "2", "3"]  # 3 is the directory being listed


def test_stdin_is_empty(attempt):
    attempt.shell("cat; readlink /proc/self/fd/0").status()
    assert attempt.output() == "/dev/null\n"


def test_signals_are_fresh(attempt):
    attempt.shell("grep -E 'Sig(Blk|Ign)' /proc/self/status").status()
    blocked, ignored = [int(line.split()[1], 16) for line in attempt.output().splitlines()]
    assert blocked == 0
    assert ignored & ~(3 << 31) == 0  # 32 and 33 are libc's own, and it keeps others from them


def test_session_of_its_own(attempt):
    attempt.shell("cut -d ' ' -f 1,5,6 /proc/$$/stat").status()
    assert len(set(attempt.output().split())) == 1


def test_runner_is_protected_from_oom_and_its_job_is_not(attempt):
    attempt.shell("cat /proc/self/oom_score_adj; echo > $READY; read x < $GO").word()
    score = int(pathlib.Path("/proc", str(attempt.pid), "oom_score_adj").read_text())
    own = int(pathlib.Path("/proc/self/oom_score_adj").read_text())
    attempt.let_go()
    attempt.status()
    assert int(attempt.output()) == max(own, 0)
    assert score == (min(own, -900) if has_capability(24) else own)  # CAP_SYS_RESOURCE


def test_umask(attempt):
    attempt.record["umask"] = str(0o027)
    attempt.shell("umask; > made").status()
    assert attempt.output() == "0027\n"
    assert stat.S_IMODE((attempt.home / "out").stat().st_mode) == 0o640
    assert stat.S_IMODE((attempt.home / "made").stat().st_mode) == 0o640


def test_working_directory(attempt):
    attempt.shell("pwd").status()
    assert attempt.output() == f"{attempt.home}\n"


# --- logs --------------------------------------------------------------------------------------

def test_output_is_appended_to(attempt):
    (attempt.home / "out").write_text("before\n")
    attempt.shell("echo one; echo two >&2").status()
    assert attempt.output() == "before\none\ntwo\n"


def test_stderr_by_itself(attempt):
    attempt.record["error"] = str(attempt.home / "err")
    attempt.shell("echo one; echo two >&2").status()
    assert attempt.output() == "one\n"
    assert (attempt.home / "err").read_text() == "two\n"


def test_output_may_be_a_symlink(attempt):
    (attempt.home / "out").symlink_to(attempt.home / "real")
    attempt.shell("echo here").status()
    assert (attempt.home / "real").read_text() == "here\n"


def test_hundred_megabytes_without_a_newline(attempt):
    status = attempt.shell("head -c 100000000 /dev/zero").status()
    assert status["exit_code"] == "0"
    assert (attempt.home / "out").stat().st_size == 100_000_000


def test_a_full_disk_of_the_log_is_the_jobs_affair(attempt):
    attempt.record["output"] = "/dev/full"
    status = attempt.shell("/bin/echo lost || exit 5").status()
    assert (status["cause"], status["exit_code"]) == ("exit", "5")


def test_log_into_a_fifo_that_is_read(attempt):
    attempt.record["output"] = str(attempt.home / "ready")
    assert attempt.shell("echo hello").word() == "hello"
    assert attempt.status()["exit_code"] == "0"


# --- what cannot run ---------------------------------------------------------------------------

def refused(attempt, *argv):
    """The sentence and the code of a job that never ran."""
    status = attempt.start(*argv).status()
    assert status["cause"] == "launch" and status["start_ns"] == "0"
    assert not (attempt.dir / "started").exists()
    return status["error"], int(status["exit_code"])


def test_missing_directory_of_the_log(attempt):
    attempt.record["output"] = str(attempt.home / "no" / "out")
    sentence, _ = refused(attempt, "true")
    assert str(attempt.home / "no" / "out") in sentence
    assert "No such file" in sentence and "--output" in sentence


def test_log_that_is_a_directory(attempt):
    attempt.record["error"] = str(attempt.home)
    sentence, _ = refused(attempt, "true")
    assert str(attempt.home) in sentence and "directory" in sentence and "--error" in sentence


def test_log_into_a_fifo_that_nobody_reads(attempt):
    attempt.record["output"] = str(attempt.home / "fifo")
    os.mkfifo(attempt.home / "fifo")
    sentence, _ = refused(attempt, "true")
    assert "FIFO that nobody reads" in sentence


def test_working_directory_that_vanished(attempt):
    attempt.record["cwd"] = str(attempt.home / "gone")
    sentence, code = refused(attempt, "true")
    assert sentence.startswith(f"cannot enter the working directory {attempt.home}/gone: "
                               "No such file or directory; ")
    assert code == 126


@pytest.mark.parametrize("pad", ["", "x"])
def test_long_path_does_not_hide_the_reason(attempt, pad):
    """Nor is a character of two bytes cut in half, one way or the other."""
    name = "/" + pad + "é" * 120
    attempt.record["cwd"] = str(attempt.home) + name
    sentence, _ = refused(attempt, "true")
    assert "ééé: No such file or directory; " in sentence and "--chdir" in sentence
    attempt.record["cwd"], attempt.record["output"] = "/", str(attempt.home) + name + "/out"
    attempt.dir.joinpath("status").unlink()
    attempt.dir.joinpath("runner").unlink()
    assert "--output" in refused(attempt, "true")[0]
    attempt.record["output"] = str(attempt.home / "out")
    attempt.dir.joinpath("status").unlink()
    sentence, code = refused(attempt, str(attempt.home) + name)
    assert sentence.endswith("look at its path") and code == 127


@pytest.mark.parametrize("name, code", [("no-such-program", 127), ("./none/at-all", 127)])
def test_program_that_is_missing(attempt, name, code):
    sentence, got = refused(attempt, name)
    assert name in sentence and got == code


def make_program(attempt, text, mode=0o755):
    path = attempt.home / "program"
    path.write_bytes(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("by_path", [False, True])
def test_program_that_may_not_be_executed(attempt, by_path):
    path = make_program(attempt, b"#!/bin/sh\n", 0o644)
    attempt.env[0] = f"PATH=/none:{attempt.home}:/bin"
    sentence, code = refused(attempt, "./program" if by_path else "program")
    assert "Permission denied" in sentence and "chmod +x" in sentence and code == 126
    assert path.name in sentence


@pytest.mark.parametrize("by_path", [False, True])
def test_interpreter_that_is_missing(attempt, by_path):
    make_program(attempt, b"#!/no/such/interpreter\n")
    attempt.env[0] = f"PATH=/none:{attempt.home}:/bin"
    sentence, code = refused(attempt, "./program" if by_path else "program")
    assert "interpreter" in sentence and "#!" in sentence and code == 127


def test_program_for_another_machine(attempt):
    make_program(attempt, b"\x7fELF\x02\x01\x01" + bytes(57))
    sentence, code = refused(attempt, "./program")
    assert "Exec format error" in sentence and code == 126


def test_arguments_that_are_too_long(attempt):
    sentence, code = refused(attempt, "true", "x" * 200_000)
    assert "too long" in sentence and code == 126


def test_cgroup_that_is_none(attempt):
    attempt.record["cgroup"] = str(attempt.home)
    sentence, _ = refused(attempt, "true")
    assert "cgroup" in sentence


@pytest.mark.parametrize("record", [b"", b"version=1\0", b"version=2\0job=1\0", b"rubbish"])
def test_bad_record_starts_nothing(attempt, record):
    attempt.encode = lambda argv: record
    attempt.start("true")
    assert attempt.wait() == 1
    assert os.listdir(attempt.dir) == ["lock"]


def test_directory_that_cannot_be_written_to(attempt):
    attempt.record["dir"] = "/proc/self"
    attempt.start("sh", "-c", "echo ran")
    assert attempt.wait() == 1
    assert not (attempt.home / "out").exists()


def test_started_by_hand():
    done = subprocess.run([RUNNER], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "tgpud" in done.stderr


# --- scripts -----------------------------------------------------------------------------------

def test_script_with_an_interpreter(attempt):
    attempt.record["script"] = "#!/bin/cat\nshown as it is\n"
    attempt.start().status()
    assert attempt.output() == attempt.record["script"]
    assert stat.S_IMODE((attempt.dir / "script").stat().st_mode) == 0o500


def test_script_without_an_interpreter_and_its_arguments(attempt):
    attempt.record["script"] = 'echo "$#:$1:$2"; exit 9\n'
    assert attempt.start("one", "two words").status()["exit_code"] == "9"
    assert attempt.output() == "2:one:two words\n"


def test_script_with_a_bad_interpreter(attempt):
    attempt.record["script"] = "#!/no/such/python\nprint()\n"
    sentence, code = refused(attempt)
    assert str(attempt.dir / "script") in sentence and code == 127


def test_script_is_not_written_through_a_symlink(attempt):
    (attempt.dir / "script").symlink_to(attempt.home / "victim")
    attempt.record["script"] = "true\n"
    sentence, _ = refused(attempt)
    assert "File exists" in sentence and not (attempt.home / "victim").exists()


# --- as somebody else --------------------------------------------------------------------------

def become_nobody(attempt):
    attempt.record.update(drop_ids="1", uid=str(NOBODY), gid=str(NOBODY), groups=[7, 12345])
    os.chown(attempt.home, NOBODY, NOBODY)


@needs_root
def test_identity_is_dropped_for_good(attempt):
    become_nobody(attempt)
    attempt.shell("id -u; id -g; id -G; grep -E 'Uid|Gid|CapEff' /proc/self/status").status()
    lines = attempt.output().splitlines()
    assert lines[:2] == [str(NOBODY)] * 2
    assert {int(group) for group in lines[2].split()} == {NOBODY, 7, 12345}
    assert lines[3].split()[1:] == lines[4].split()[1:] == [str(NOBODY)] * 4
    assert int(lines[5].split()[1], 16) == 0
    assert (attempt.home / "out").stat().st_uid == NOBODY


@needs_root
def test_script_of_somebody_else(attempt):
    become_nobody(attempt)
    attempt.record["script"] = "id -u\n"
    assert attempt.start().status()["exit_code"] == "0"
    assert attempt.output() == f"{NOBODY}\n"


@needs_root
def test_no_symlink_is_followed_as_root(attempt):
    become_nobody(attempt)
    victim = attempt.dir / "victim"
    victim.write_text("precious")
    (attempt.home / "out").symlink_to(victim)
    sentence, _ = refused(attempt, "true")
    assert "Permission denied" in sentence
    assert victim.read_text() == "precious"


@needs_root
def test_directory_of_somebody_else_is_not_entered_as_root(attempt):
    become_nobody(attempt)
    secret = attempt.home / "secret"
    secret.mkdir(mode=0o700)
    attempt.record["cwd"] = str(secret)
    sentence, _ = refused(attempt, "true")
    assert "Permission denied" in sentence


def test_a_runner_whose_directory_was_removed_leaves(attempt):
    log_read, log_write = os.pipe()
    attempt.shell("echo > $READY; read x < $GO", stderr_fd=log_write)
    attempt.word()
    assert [attempt.hint(), attempt.hint()][1].endswith("started")
    shutil.rmtree(attempt.dir)
    attempt.let_go()
    assert attempt.wait() == 0
    assert b"its directory was removed" in os.read(log_read, 4096)
    os.close(log_read)
    os.close(log_write)


@needs_root
def test_full_disk_is_waited_out(attempt):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=711", "none", attempt.dir],
                      capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        log_read, log_write = os.pipe()
        attempt.shell("echo > $READY; kill -STOP $$", stderr_fd=log_write)
        attempt.word()
        assert [attempt.hint(), attempt.hint()][1].endswith("started")
        filler = attempt.dir / "filler"
        with pytest.raises(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        attempt.signal(signal.SIGTERM)
        assert readable(log_read)
        assert b"No space left" in os.read(log_read, 4096)
        assert attempt.lock_is_held() and not (attempt.dir / "status").exists()
        filler.unlink()
        assert attempt.status()["cause"] == "stopped"
        os.close(log_read)
        os.close(log_write)
    finally:
        subprocess.run(["umount", shlex.quote(str(attempt.dir))], check=False)
