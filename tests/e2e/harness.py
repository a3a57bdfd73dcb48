# SPDX-License-Identifier: MIT
"""One tgpud of a test's own: its own directory, socket and machine; waited for by events, never by sleeping.

Every process that is started here carries TGPU_TEST_ID in its environment, so what a test leaves behind can be told
from everything else on the machine, and is a failure of that test.
"""
import fcntl
import http.client
import json
import os
import pathlib
import pty
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("TGPU_BUILD_DIR", ROOT / "build")).resolve()
TGPU = BUILD / "cli" / "tgpu"
TGPUD = BUILD / "daemon" / "tgpud"
PATIENCE = float(os.environ.get("TGPU_TEST_PATIENCE", "60"))  # seconds before a test gives up
FINAL = ("finished", "failed", "cancelled")


def report(text):
    """A line for whoever reads the output: printed, and added to the file that TGPU_CRASH_REPORT names."""
    print(text)
    if "TGPU_CRASH_REPORT" in os.environ:
        with open(os.environ["TGPU_CRASH_REPORT"], "a", encoding="utf-8") as file:
            file.write(text + "\n")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=PATIENCE):
        super().__init__("tgpu", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)  # waits while the daemon's backlog is full
        self.sock.settimeout(self.timeout)


class Tgpu:
    """A daemon, and the command line to talk to it."""

    def __init__(self, gpus="simulated:8", config="", daemon_env=None, fake_nvml=None, arguments=()):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tgpu-", dir="/tmp"))
        self.state = self.dir / "state"
        self.socket = self.dir / "s"
        self.config = self.dir / "tgpu.conf"
        self.config.write_text(config)
        self.id = uuid.uuid4().hex
        self.fake_nvml = fake_nvml
        self.arguments = arguments
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(self.dir), "LC_ALL": "C",
            "TGPU_STATE_DIR": str(self.state), "TGPU_SOCKET": str(self.socket),
            "TGPU_TEST_ID": self.id,
        }
        self.daemon_env = {"TGPU_CONFIG": str(self.config), **self._gpu_env(gpus), **(daemon_env or {})}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.daemon = None
        self.start()

    def _gpu_env(self, gpus):
        if self.fake_nvml:
            return {"TGPU_NVML_LIB": str(BUILD / "tests" / "fake_nvml" / "libnvidia-ml.so.1"),
                    "TGPU_FAKE_NVML": str(self.fake_nvml)}
        return {"TGPU_GPUS": gpus} if gpus else {}  # None: those of this machine

    # the daemon

    def popen_daemon(self, **more):
        """Start tgpud. (process, descriptor of the line it writes when ready or why not)"""
        ready, theirs = os.pipe()
        with open(self.dir / "tgpud.log", "ab") as log:
            process = subprocess.Popen(
                [TGPUD, *self.arguments, "--ready-fd", str(theirs)], env={**self.env, **self.daemon_env, **more},
                pass_fds=[theirs], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                start_new_session=True)
        os.close(theirs)
        return process, ready

    def spawn_daemon(self, **more):
        """Start tgpud and return (process, that line)."""
        process, ready = self.popen_daemon(**more)
        with os.fdopen(ready) as lines, selectors.DefaultSelector() as selector:
            selector.register(lines, selectors.EVENT_READ)
            line = lines.readline().strip() if selector.select(PATIENCE) else "no word in time"
        return process, line

    def start(self, **more):
        self.daemon, line = self.spawn_daemon(**more)
        assert line == "ready", f"tgpud did not start: {line}\n{self.daemon_log()}"

    def stop(self):
        if self.daemon:
            self.daemon.terminate()
            assert self.daemon.wait(PATIENCE) == 0, self.daemon_log()
            self.daemon = None

    def kill9(self):
        self.daemon.kill()
        self.daemon.wait(PATIENCE)
        self.daemon = None

    def restart(self, **more):
        if self.daemon:
            self.stop()
        self.start(**more)

    def daemon_log(self):
        return (self.dir / "tgpud.log").read_text(errors="replace")

    # talking to it

    def api(self, method, path, body=None, headers=None, timeout=PATIENCE):
        """(status, decoded JSON)"""
        connection = UnixConnection(self.socket, timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers or {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def cli(self, *words, env=None, cwd=None, input=None, timeout=PATIENCE):
        return subprocess.run([TGPU, *words], env={**self.env, **(env or {})}, cwd=cwd or self.dir,
                              input=input, stdin=None if input is not None else subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout, check=False)

    def on_terminal(self, *words, width=80, **env):
        """What a command prints on a terminal of this width."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 25, width, 0, 0))
        subprocess.run([TGPU, *words], env={**self.env, "TERM": "xterm", **env}, stdin=subprocess.DEVNULL, stdout=theirs, check=True)
        os.close(theirs)
        try:
            return os.read(ours, 65536).decode()
        finally:
            os.close(ours)

    def popen(self, *words, env=None, cwd=None):
        return subprocess.Popen([TGPU, *words], env={**self.env, **(env or {})}, cwd=cwd or self.dir,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def submit(self, *words, env=None, cwd=None):
        """The id of a job submitted by the command line."""
        done = self.cli("submit", "--parsable", *words, env=env, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def job(self, job):
        status, answer = self.api("GET", f"/v1/jobs/{job}")
        assert status == 200, answer
        return answer

    def wait_until(self, job, condition, what):
        """Wait by the API's own long poll until condition(job) holds."""
        deadline = time.monotonic() + PATIENCE
        shown = self.job(job)
        while not condition(shown):
            assert time.monotonic() < deadline, f"job {job} is not {what}: {shown}\n{self.daemon_log()}"
            assert shown["state"] not in FINAL, f"job {job} ended instead of being {what}: {shown}"
            _, shown = self.api("GET", f"/v1/jobs/{job}?after={shown['revision']}")
        return shown

    def wait(self, job):
        return self.wait_until(job, lambda shown: shown["state"] in FINAL, "over")

    def wait_for_state(self, job, state):
        return self.wait_until(job, lambda shown: shown["state"] == state, state)

    def wait_all(self, jobs, timeout=PATIENCE):
        """Wait until none of these is active any more."""
        deadline = time.monotonic() + timeout
        revision = None
        while True:
            after = "" if revision is None else f"&after={revision}"
            _, answer = self.api("GET", f"/v1/jobs?limit=1{after}")
            revision = answer["revision"]
            if not answer["jobs"]:
                return
            assert time.monotonic() < deadline, f"still active: {answer['jobs']}"

    # what jobs write

    def log_path(self, job):
        return pathlib.Path(self.job(job)["output"])

    def log_of(self, job):
        return self.log_path(job).read_text(errors="replace")

    def wait_for_log(self, job, text):
        """Wait until the job has written this: its log is followed by the command line, as a user would."""
        follower = self.popen("logs", "-f", str(job))
        try:
            for line in follower.stdout:
                if text in line:
                    return
            raise AssertionError(f"job {job} ended without writing {text!r}")
        finally:
            follower.kill()
            follower.wait()
            follower.stdout.close()
            follower.stderr.close()

    # the end

    def leftovers(self):
        """Processes that carry this test's mark."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                marked = self.id.encode() in (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if marked and state != "Z":
                found.append(int(entry.name))
        return found

    def close(self):
        """Stop everything of this test. Returns what should not have been there."""
        wrong = []
        base = None
        if self.daemon and self.daemon.poll() is None:
            self.api("POST", "/v1/jobs/cancel", {"ids": f"1-{2**53}", "now": True})
            self.wait_all([])
            status = self.api("GET", "/v1/status")[1]
            base = status["cgroup"]
            if status["jobs"]:
                wrong.append(f"counted though over: {status['jobs']}")
            if status["illegal_events"]:
                wrong.append(f"{status['illegal_events']} impossible events\n{self.daemon_log()}")
            self.stop()
        deadline = time.monotonic() + 5
        while (left := self.leftovers()) and time.monotonic() < deadline:
            os.sched_yield()  # runners leave a moment after they have reported
        for pid in left:
            wrong.append(f"left over: pid {pid}")
            os.kill(pid, signal.SIGKILL)
        if base and os.path.isdir(base):
            wrong.append(f"left over: {base}")
            for leaf in pathlib.Path(base).iterdir():
                if leaf.is_dir():
                    leaf.rmdir()
            os.rmdir(base)
        log = self.daemon_log()
        if "Sanitizer" in log or "runtime error" in log:
            wrong.append(log)
        shutil.rmtree(self.dir, ignore_errors=True)
        return wrong
