#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tgpu beside other queues and beside the limits of the machine, in the same run and in turn.

    bench/peers.py [--rounds N] [--quick] [MEASURE...]       of the build in TGPU_BUILD_DIR

Figures are medians (smallest - largest); what counts are the ratios: those of each round, and on a busy machine that of
the smallest values, which are what was measured while nobody disturbed. Nothing here passes or fails; docs/performance.md
says what is aimed at. Peers that are not installed are named and left out.
"""
import argparse
import contextlib
import os
import pathlib
import re
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "e2e")]
os.environ.setdefault("TGPU_BUILD_DIR", str(ROOT / "build-release"))
os.environ.setdefault("TGPU_TEST_PATIENCE", "600")

import flood  # noqa: E402
import harness  # noqa: E402
import systems  # noqa: E402
from systems import spawn  # noqa: E402

STAMP = harness.BUILD / "bench" / "stamp"
STAMP_STATIC = harness.BUILD / "bench" / "stamp_static"
RUNNER = harness.BUILD / "runner" / "tgpu-runner"


class Table:
    """Figures by name, all of one measure."""

    def __init__(self, title):
        print(f"== {title}", flush=True)
        self.series = {}

    def add(self, name, seconds):
        self.series.setdefault(name, []).append(seconds)

    def show(self, unit="ms"):
        scale = {"s": 1, "ms": 1e3, "us": 1e6}[unit]
        for name, values in self.series.items():
            self._line(name, [value * scale for value in values], unit)

    def ratio(self, name, base, what, target=""):
        """`base`: one name, or several whose times add up."""
        bases = [self.series[b] for b in ([base] if isinstance(base, str) else base)]
        pairs = zip(self.series[name], *bases)
        self._line(f"  {name} / {what}", [first / sum(others) for first, *others in pairs], "x", target)
        print(f"      of the smallest values{min(self.series[name]) / sum(map(min, bases)):41.3f} x", flush=True)

    @staticmethod
    def _line(name, values, unit, target=""):
        print(f"  {name:52} {statistics.median(values):10.3f} {unit:4} ({min(values):.3f} - {max(values):.3f})"
              f"{'   target <= ' + str(target) if target else ''}", flush=True)


class Tgpu(harness.Tgpu):
    """A daemon of the release build, and a FIFO into which its jobs say when they began."""

    def __init__(self, gpus="simulated:8", **options):
        super().__init__(gpus, **options)
        self.fifo = self.dir / "fifo"
        os.mkfifo(self.fifo)
        self.began = open(self.fifo, "r+b", buffering=0)  # pylint: disable=consider-using-with

    def submit_argv(self, *words, gpus=1):
        return [harness.TGPU, "submit", "-q", f"--gpus={gpus}", *words]

    def noop(self):
        return self.submit_argv("--", "/bin/true")

    def stamp_body(self, gpus=1, *more, **fields):
        return {"command": [str(STAMP), str(self.fifo), *more], "num_gpus": gpus, "cwd": "/",
                "output": "/dev/null", **fields}

    def post(self, body):
        status, job = self.api("POST", "/v1/jobs", body)
        assert status == 201, job
        return job["id"]

    def block(self):
        """All GPUs are held from now on. Returns the holder."""
        job = self.post(self.stamp_body(8, "stay"))
        self.next_start()
        return job

    def next_start(self):
        """When the next job began (monotonic, seconds). Jobs come one at a time where this is called."""
        return int(self.began.readline()) / 1e9

    def forget_last(self):
        """The job that was submitted last is not to run."""
        last = self.api("GET", "/v1/jobs?order=newest&limit=1")[1]["jobs"][0]["id"]
        assert self.api("POST", "/v1/jobs/cancel", {"ids": str(last)})[0] == 200

    def processes(self):
        """tgpud and its children."""
        pid = self.daemon.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def close(self):
        self.began.close()
        return super().close()


@contextlib.contextmanager
def daemons(*names, gpus="simulated:8", **options):
    made = {}
    try:
        for name in names:
            made[name] = Tgpu(gpus, **options)
        yield made.values() if len(names) > 1 else next(iter(made.values()))
    finally:
        for daemon in made.values():
            for wrong in daemon.close():
                print(f"  left behind: {wrong}")


@contextlib.contextmanager
def world(peers):
    """A directory, the limits, and those peers that are installed."""
    with tempfile.TemporaryDirectory(prefix="tgpu-bench-", dir="/tmp") as name:
        directory, there = pathlib.Path(name), []
        os.chmod(directory, 0o755)
        limits = systems.Limits(directory)
        try:
            for peer in peers:
                if systems.missing(peer):
                    print(f"  {peer.name} is not installed (apt-get install {peer.package}): left out")
                else:
                    there.append(peer(directory))
            yield limits, there
        finally:
            for peer in there:
                peer.close()
            limits.close()


def add_limits(table, limits):
    table.add("one durable SQLite commit", limits.commit())
    table.add("a word over a Unix socket and back", limits.round_trip())
    table.add("start of a process, dynamic", spawn([STAMP], {}))
    table.add("start of a process, static", spawn([STAMP_STATIC], {}))
    table.add("/bin/true", spawn(["/bin/true"], {}))


def measure_submit(options):
    table = Table("submit: one command, from its start until it returns; the queue is blocked")
    with daemons("tgpu") as tgpu, world([systems.Tsp, systems.Slurm]) as (limits, peers):
        tgpu.block()
        for peer in peers:
            peer.block()
        with flood.Client(tgpu.socket) as client:
            for _ in range(options.rounds * 5):
                add_limits(table, limits)
                table.add("tgpu submit", spawn(tgpu.noop(), tgpu.env))
                table.add("tgpu --help", spawn([harness.TGPU, "--help"], tgpu.env))
                table.add("POST /v1/jobs", client.post(tgpu.stamp_body()))
                for peer in peers:
                    table.add(f"{peer.name} submit", spawn(peer.submit(), peer.env))
    table.show()
    least = ("one durable SQLite commit", "start of a process, dynamic")
    table.ratio("tgpu submit", least, "a commit + a process", 2)
    table.ratio("POST /v1/jobs", "one durable SQLite commit", "a commit")
    for peer in peers:
        table.ratio("tgpu submit", f"{peer.name} submit", peer.name)


def run_tgpu(tgpu, n):
    begin = time.perf_counter()
    for _ in range(n):
        spawn(tgpu.noop(), tgpu.env)
    tgpu.wait_all([])
    return time.perf_counter() - begin


def run_array(tgpu, n):
    begin = time.perf_counter()
    spawn(tgpu.submit_argv(f"--array=1-{n}", "--", "/bin/true"), tgpu.env)
    tgpu.wait_all([])
    return time.perf_counter() - begin


def measure_jobs(options):
    n = 100 if options.quick else 1000
    table = Table(f"jobs: {n} that do nothing, from the first submit to the last recorded end")
    with daemons("tgpu") as tgpu, world(systems.PEERS) as (_, peers):
        for _ in range(min(options.rounds, 2)):
            table.add("tgpu, a command each", run_tgpu(tgpu, n))
            table.add("tgpu, an array", run_array(tgpu, n))
            table.add("posix_spawn and wait, one after the other", sum(spawn(["/bin/true"], {}) for _ in range(n)))
            for peer in peers:
                table.add(peer.name, peer.run(n))
    table.show("s")
    for peer in peers:
        one_command = isinstance(peer, systems.Parallel)
        table.ratio("tgpu, an array" if one_command else "tgpu, a command each", peer.name, peer.name)


def measure_array(options):
    n = 100000
    table = Table(f"array: {n} jobs by one command")
    with daemons("tgpu", config="max_jobs_per_user = 100000000\n") as tgpu, world([systems.Slurm]) as (_, peers):
        tgpu.block()
        for peer in peers:
            peer.block()
        for _ in range(options.rounds):
            table.add("tgpu submit", spawn(tgpu.noop(), tgpu.env))
            table.add("tgpu submit --array", spawn(tgpu.submit_argv(f"--array=0-{n - 1}", "--", "/bin/true"), tgpu.env))
            for peer in peers:
                table.add("slurm, an array", spawn(peer.submit_array(n), peer.env))
    table.show()
    table.ratio("tgpu submit --array", "tgpu submit", "one submit", 20)
    for _ in peers:
        table.ratio("tgpu submit --array", "slurm, an array", "slurm")


def end_to_start(tgpu):
    """The one running job is cancelled, the next one begins: seconds."""
    running = tgpu.api("GET", "/v1/jobs?state=running&limit=1")[1]["jobs"][0]["id"]
    begin = time.monotonic()
    status, answer = tgpu.api("POST", "/v1/jobs/cancel", {"ids": str(running), "now": True})
    assert status == 200, answer
    return tgpu.next_start() - begin


def fill_queues(options, few, page, array, separate):
    """One GPU each, held; behind it 1, 1,000, an array of and as many separate jobs."""
    n = 10000 if options.quick else 100000
    for tgpu in (few, page, array, separate):
        tgpu.post(tgpu.stamp_body(1, "stay"))
        tgpu.next_start()
    with flood.Client(page.socket) as client:
        client.post_many(page.stamp_body(1, "stay"), 1000)
    array.post(array.stamp_body(1, "stay", array=f"1-{n}"))
    with flood.Client(separate.socket) as client:
        begin = time.perf_counter()
        client.post_many(separate.stamp_body(1, "stay"), n)
        took = time.perf_counter() - begin
    print(f"  {n} separate submits, {flood.CONNECTIONS} at a time: {n / took:.0f} /s", flush=True)


def measure_deep(options):
    table = Table("deep: with 1, with 1,000 and with 100,000 waiting jobs (an array; separate)")
    names = ("1", "1,000", "an array", "100,000")
    with daemons(*names, gpus="simulated:1") as made:
        queues = dict(zip(names, made))
        fill_queues(options, *made)
        for _ in range(options.rounds * 2):
            for name, tgpu in queues.items():
                if name == "1":
                    tgpu.post(tgpu.stamp_body(1, "stay"))
                table.add(f"next start, {name}", end_to_start(tgpu))
                table.add(f"tgpu submit, {name}", spawn(tgpu.noop(), tgpu.env))
                table.add(f"tgpu list, {name}", spawn([harness.TGPU, "list"], tgpu.env))
            queues["1"].forget_last()
    table.show()
    for what in ("next start", "tgpu submit", "tgpu list"):
        for name in names[1:]:
            table.ratio(f"{what}, {name}", f"{what}, 1", "1", 1.5)
    table.ratio("tgpu list, 100,000", "tgpu list, 1,000", "1,000 (a page, too)", 1.5)


def measure_start(options):
    table = Table("start: from the request to the first instruction of the job")
    with daemons("tgpu") as tgpu, world([]) as (limits, _), flood.Client(tgpu.socket) as client:
        for _ in range(options.rounds * 5):
            begin = time.monotonic()
            client.post(tgpu.stamp_body())
            table.add("POST to first instruction", tgpu.next_start() - begin)
            tgpu.wait_all([])
            begin = time.monotonic()
            spawn(tgpu.submit_argv("-o/dev/null", "--", str(STAMP), str(tgpu.fifo)), tgpu.env)
            table.add("tgpu submit to first instruction", tgpu.next_start() - begin)
            tgpu.wait_all([])
            table.add("runner", spawn_failing([RUNNER]))
            table.add("job", spawn([STAMP], {}))
            table.add("commit", limits.commit())
    table.show()
    table.ratio("POST to first instruction", ("runner", "job"), "runner + job", 3)
    table.ratio("POST to first instruction", ("runner", "job", "commit"), "runner + job + a commit")


def spawn_failing(argv):
    """The same of a program that refuses to be started by hand."""
    begin = time.perf_counter()
    os.waitpid(os.posix_spawn(argv[0], argv, {}, file_actions=systems.QUIET), 0)
    return time.perf_counter() - begin


def status_of(pid, key):
    """The sum over the threads of a process, of a line of /proc/PID/status."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        total += int(re.search(rf"^{key}:\s+(\d+)", (task / "status").read_text(), re.M)[1])
    return total


def measure_idle(options):
    seconds = 5 if options.quick else 20
    print(f"== idle: daemons with nothing to do, {seconds} s", flush=True)
    names = ("empty", "an array of 1,000,000", "100,000 separate")
    n = 10000 if options.quick else 100000
    with daemons(*names, config="max_jobs_per_user = 100000000\n") as made:
        empty, array, separate = made
        for tgpu in (array, separate):
            tgpu.block()
        array.post(array.stamp_body(array="1-1000000"))
        with flood.Client(separate.socket) as client:
            client.post_many(separate.stamp_body(), n)
        key = "voluntary_ctxt_switches"
        before = {pid: status_of(pid, key) for tgpu in made for pid in tgpu.processes()}
        time.sleep(seconds)
        for name, tgpu in zip(names, (empty, array, separate)):
            wakes = {pid: status_of(pid, key) - before.get(pid, 0) for pid in tgpu.processes()}
            rss = [int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024
                   for pid in tgpu.processes()]
            print(f"  {name:24} wakes/s: tgpud {wakes[tgpu.daemon.pid] / seconds:.2f}, "
                  f"with children {sum(wakes.values()) / seconds:.2f}; "
                  f"RSS: tgpud {rss[0]:.1f} MiB, with children {sum(rss):.1f} MiB", flush=True)


MEASURES = {"submit": measure_submit, "start": measure_start, "array": measure_array, "jobs": measure_jobs,
            "deep": measure_deep, "idle": measure_idle}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="a tenth of the jobs")
    parser.add_argument("measures", nargs="*", choices=[*MEASURES, []], metavar="MEASURE",
                        help=", ".join(MEASURES))
    options = parser.parse_args()
    for name in options.measures or MEASURES:
        MEASURES[name](options)


if __name__ == "__main__":
    main()
