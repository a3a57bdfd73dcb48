# SPDX-License-Identifier: MIT
"""What tgpu is measured beside: other queues, and the limits of the machine itself.

Each queue has the same few calls: submit() is the command that queues one job that does nothing, run(n) takes n such
jobs from the first submit to the last recorded end, by one command each. All run eight jobs at a time (but nq, which
runs one) and keep what they write in the directory that they are given.
"""
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import time

QUIET = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0), (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
         (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)]
SLOTS = 8


def spawn(argv, env):
    """Start a program, wait for its end: seconds."""
    begin = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, env, file_actions=QUIET)
    status = os.waitpid(pid, 0)[1]
    took = time.perf_counter() - begin
    if status:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit status {os.waitstatus_to_exitcode(status)}")
    return took


def wait_until(condition, what, patience=300):
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {patience} s")
        time.sleep(0.002)


class Limits:
    """What no queue on this machine can beat: a commit, a process, a word over a socket."""

    def __init__(self, directory):
        self.db = sqlite3.connect(directory / "limit.db", isolation_level=None)
        self.db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (x)")
        self.near, far = socket.socketpair()
        self.echo = os.fork()
        if not self.echo:
            self.near.close()
            while word := far.recv(1):
                far.send(word)
            os._exit(0)
        far.close()

    def commit(self):
        begin = time.perf_counter()
        self.db.execute("INSERT INTO t VALUES (zeroblob(1000))")
        return time.perf_counter() - begin

    def round_trip(self):
        begin = time.perf_counter()
        self.near.send(b"x")
        self.near.recv(1)
        return time.perf_counter() - begin

    def close(self):
        self.db.close()
        self.near.close()
        os.waitpid(self.echo, 0)


class Tsp:
    """task-spooler: a server per user; a client process per waiting job; nothing on disk."""
    name, package = "tsp", "task-spooler"

    def __init__(self, directory):
        self.program = shutil.which("tsp")
        self.env = {**os.environ, "TS_SOCKET": str(directory / "tsp"), "TMPDIR": str(directory),
                    "TS_SLOTS": str(SLOTS), "TS_MAXFINISHED": "100000", "TS_MAXCONN": "100000"}

    def submit(self):
        return [self.program, "-n", "/bin/true"]

    def block(self):
        """What is submitted from now on waits."""
        for _ in range(SLOTS):
            spawn([self.program, "-n", "/bin/sleep", "100000"], self.env)

    def run(self, n):
        begin = time.perf_counter()
        for _ in range(n):
            spawn(self.submit(), self.env)
        wait_until(lambda: not self._waits(), "tsp")
        return time.perf_counter() - begin

    def _waits(self):
        listing = subprocess.run([self.program], env=self.env, capture_output=True, text=True, check=True).stdout
        return any(word in listing for word in (" queued ", " running "))

    def close(self):
        listing = subprocess.run([self.program], env=self.env, capture_output=True, text=True, check=False).stdout
        running = [line.split()[0] for line in listing.splitlines() if " running " in line]
        pids = [int(subprocess.run([self.program, "-p", job], env=self.env, capture_output=True, text=True,
                                   check=True).stdout) for job in running]
        subprocess.run([self.program, "-K"], env=self.env, check=False)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Nq:
    """nq: no server; a process per job that waits for the locks of those before it. One job at a time."""
    name, package = "nq", "nq"

    def __init__(self, directory):
        self.program = shutil.which("nq")
        self.env = {**os.environ, "NQDIR": str(directory / "nq")}

    def submit(self):
        return [self.program, "-q", "/bin/true"]

    def run(self, n):
        begin = time.perf_counter()
        for _ in range(n):
            spawn(self.submit(), self.env)
        spawn([self.program, "-w"], self.env)
        return time.perf_counter() - begin

    def close(self):
        pass


class Parallel:
    """GNU parallel: one command for all jobs; a log that is written as they end, without fsync."""
    name, package = "parallel", "parallel"

    def __init__(self, directory):
        self.program = shutil.which("parallel")
        self.log = directory / "joblog"
        self.env = {**os.environ, "HOME": str(directory), "PARALLEL_HOME": str(directory)}
        (directory / "will-cite").touch()

    def run(self, n):
        begin = time.perf_counter()
        subprocess.run([self.program, f"-j{SLOTS}", "--joblog", self.log, "/bin/true", ":::", *map(str, range(n))],
                       env=self.env, check=True, stdin=subprocess.DEVNULL)
        return time.perf_counter() - begin

    def close(self):
        pass


SLURM_CONF = """
ClusterName=bench
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={dir}/munge.sock
CredType=cred/munge
SlurmctldPort={port}
SlurmdPort={port_d}
SlurmctldPidFile={dir}/slurmctld.pid
SlurmdPidFile={dir}/slurmd.pid
SlurmctldLogFile={dir}/slurmctld.log
SlurmdLogFile={dir}/slurmd.log
StateSaveLocation={dir}/state
SlurmdSpoolDir={dir}/spool
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=1,default_queue_depth=1000
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={dir}/ended
MaxJobCount=10000000
MaxArraySize=200000
MinJobAge=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs={slots} RealMemory=1000 State=UNKNOWN
PartitionName=p Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Slurm:
    """slurmctld, slurmd and munge on the loopback, tuned: no batch delays, no accounting, any rate of passes."""
    name, package = "slurm", "slurmctld slurmd slurm-client munge"

    def __init__(self, directory):
        self.dir = directory / "slurm"
        for name in (".", "state", "spool"):
            (self.dir / name).mkdir(mode=0o755)
        (self.dir / "key").write_bytes(os.urandom(128))
        (self.dir / "key").chmod(0o400)
        (self.dir / "slurm.conf").write_text(SLURM_CONF.format(
            host=socket.gethostname(), user=os.environ.get("USER", "root"), dir=self.dir, port=free_port(),
            port_d=free_port(), slots=SLOTS))
        self.env = {**os.environ, "SLURM_CONF": str(self.dir / "slurm.conf"),
                    "PATH": os.environ["PATH"] + ":/usr/sbin"}
        self.program = shutil.which("sbatch")
        self._call("munged", f"--key-file={self.dir}/key", f"--socket={self.dir}/munge.sock", "--force",
                   f"--pid-file={self.dir}/munged.pid", f"--log-file={self.dir}/munged.log",
                   f"--seed-file={self.dir}/seed")
        self._call("slurmctld", "-c")
        self._call("slurmd", "-c")
        wait_until(lambda: "idle" in self._call("sinfo", "-h", "-o", "%T"), "slurm", 30)

    def _call(self, *words):
        return subprocess.run(words, env=self.env, check=True, capture_output=True, text=True).stdout

    def submit(self, *more):
        return [self.program, "-Q", "-o", "/dev/null", *more, "--wrap", "true"]

    def block(self):
        spawn([self.program, "-n", str(SLOTS), "-o", "/dev/null", "--wrap", "sleep 100000"], self.env)

    def submit_array(self, n):
        return self.submit(f"--array=0-{n - 1}")

    def _ended(self):
        path = self.dir / "ended"
        return path.read_text().count("JobId=") if path.exists() else 0

    def run(self, n):
        before, begin = self._ended(), time.perf_counter()
        for _ in range(n):
            spawn(self.submit(), self.env)
        wait_until(lambda: self._ended() >= before + n, "slurm")
        return time.perf_counter() - begin

    def close(self):
        try:
            self._call("scancel", "--signal=KILL", "--state=RUNNING", "-u", os.environ.get("USER", "root"))
            wait_until(lambda: not self._call("squeue", "-h", "-t", "R,CG"), "slurm's jobs", 30)
        finally:
            for name in ("slurmd", "slurmctld", "munged"):
                pid = int((self.dir / f"{name}.pid").read_text())
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda pid=pid: not pathlib.Path(f"/proc/{pid}").exists(), name, 60)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


PEERS = (Tsp, Nq, Parallel, Slurm)
PROGRAMS = {"tsp": ["tsp"], "nq": ["nq"], "parallel": ["parallel"],
            "slurm": ["sbatch", "slurmctld", "slurmd", "munged"]}


def missing(peer):
    """Is a program of this peer not installed?"""
    path = os.environ["PATH"] + ":/usr/sbin"
    return any(not shutil.which(program, path=path) for program in PROGRAMS[peer.name])
