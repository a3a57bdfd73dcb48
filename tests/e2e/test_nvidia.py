# SPDX-License-Identifier: MIT
"""On real NVIDIA GPUs: what the driver says is what tgpu shows, jobs get what they are promised, and it comes back free.

Skipped unless TGPU_TEST_NVIDIA is set: these tests use the machine's first GPU for a minute or two. Nobody else may be on it.
"""
import contextlib
import csv
import fcntl
import json
import os
import subprocess
import tempfile
import time
from random import Random

import pytest

from harness import BUILD, PATIENCE, report

pytestmark = pytest.mark.skipif("TGPU_TEST_NVIDIA" not in os.environ,
                                reason="needs NVIDIA GPUs of its own; set TGPU_TEST_NVIDIA=1 where there are some")
CUDA_JOB = str(BUILD / "tests" / "helpers" / "cuda_job")
PROBE = str(BUILD / "probe" / "tgpu-probe")
FAST = "probe_interval = 200ms\n"
MIB = 1 << 20
SMI_FIELDS = "index,uuid,name,pci.bus_id,memory.total,driver_version,temperature.gpu,power.draw"


@pytest.fixture(autouse=True)
def alone():
    """One of these tests at a time: to one daemon the jobs of another are foreign use."""
    with open(f"{tempfile.gettempdir()}/tgpu-test-nvidia.{os.getuid()}", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def tgpu(tgpu_factory):
    return tgpu_factory(gpus=None, config=FAST)


@pytest.fixture
def stranger():
    """stranger(words...): a program on the GPUs that is no job's; returns it when it has what it wants."""
    with contextlib.ExitStack() as started:

        def start(*words):
            process = subprocess.Popen([CUDA_JOB, *words], stdout=subprocess.PIPE, text=True)
            started.callback(process.stdout.close)
            started.callback(process.wait)
            started.callback(process.kill)
            for line in process.stdout:
                if "keeps" in line:
                    return process
            raise AssertionError("it did not get that far")

        yield start


def smi():
    """What nvidia-smi says: a dict per GPU, in PCI order."""
    text = subprocess.run(["nvidia-smi", f"--query-gpu={SMI_FIELDS}", "--format=csv,noheader,nounits"],
                          check=True, capture_output=True, text=True).stdout
    fields = SMI_FIELDS.split(",")
    gpus = [dict(zip(fields, row)) for row in csv.reader(text.splitlines(), skipinitialspace=True)]
    return sorted(gpus, key=lambda gpu: gpu["pci.bus_id"].lower())


def probe(**env):
    done = subprocess.run([PROBE, "--once"], env={**os.environ, **env}, check=True, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    return json.loads(done.stdout)


def gpu(tgpu, index=0):
    return next(gpu for gpu in tgpu.api("GET", "/v1/gpus")[1]["gpus"] if gpu["index"] == index)


def wait_for_gpu(tgpu, state, index=0):
    deadline = time.monotonic() + PATIENCE
    while (shown := gpu(tgpu, index))["state"] != state:
        assert time.monotonic() < deadline, f"not {state}: {shown}\n{tgpu.daemon_log()}"
    return shown


def wait_for_job(tgpu, job, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition(shown := tgpu.job(job)):
        assert time.monotonic() < deadline, f"{shown}\n{tgpu.daemon_log()}"
    return shown


def cuda(tgpu, *words, options=("--gpus", "1")):
    return tgpu.submit(*options, "--", CUDA_JOB, *words)


def free_mib(line):
    """What was free when a job came: "gpu UUID free N of M"."""
    return int(line.split()[3])


def test_nvml_says_what_nvidia_smi_says():
    report = probe()
    assert report["source"] == "nvml" and not report["warnings"], report
    assert report["driver"] == smi()[0]["driver_version"]
    for ours, theirs in zip(report["gpus"], smi(), strict=True):
        assert ours["uuid"] == theirs["uuid"] and ours["name"] == theirs["name"]
        assert theirs["pci.bus_id"].lower().endswith(ours["bus_id"])
        assert abs(ours["mem_total_bytes"] / MIB - float(theirs["memory.total"])) < 1
        assert abs(ours["temperature_c"] - float(theirs["temperature.gpu"])) < 20
        assert abs(ours["power_mw"] / 1000 - float(theirs["power.draw"])) < 100
        assert "processes" in ours and ours["health"] == "ok"
        assert os.path.exists(f"/dev/nvidia{ours['minor']}")


def test_the_backends_agree():
    """Without the library nvidia-smi is asked; without that, the kernel. They know less, and nothing else."""
    nvml, by_smi = probe(), probe(TGPU_NVML_LIB="no-such-library.so")
    assert by_smi["source"] == "nvidia-smi"
    same = ("uuid", "name", "bus_id", "index", "mem_total_bytes", "health")
    assert [[gpu.get(key) for key in same] for gpu in nvml["gpus"]] == \
        [[gpu.get(key) for key in same] for gpu in by_smi["gpus"]]
    assert nvml["links"] == by_smi["links"]
    kernel = probe(TGPU_NVML_LIB="no-such-library.so", PATH="/nonexistent")
    assert kernel["source"] == "sysfs"
    assert [gpu["bus_id"] for gpu in kernel["gpus"]] == [gpu["bus_id"] for gpu in nvml["gpus"]]


@pytest.mark.parametrize("names", ("index", "uuid"))
def test_a_job_sees_its_gpu_and_no_other(tgpu_factory, names):
    tgpu = tgpu_factory(gpus=None, config=FAST + f"visible_devices = {names}\n")
    over = tgpu.wait(cuda(tgpu, "memory", "100"))
    assert over["state"] == "finished", tgpu.log_of(over["id"])
    seen = [line.split()[1] for line in tgpu.log_of(over["id"]).splitlines() if line.startswith("gpu ")]
    assert seen == [over["gpus"][0]["uuid"]]


def test_a_job_without_gpus_sees_none(tgpu):
    over = tgpu.wait(cuda(tgpu, options=("--gpus", "0")))
    assert over["exit_code"] == 3 and "no gpu" in tgpu.log_of(over["id"])


def test_usage_is_measured(tgpu):
    over = tgpu.wait(cuda(tgpu, "memory", "2000", "work", "3000"))
    usage = over["usage"]
    assert over["state"] == "finished" and over["gpus"][0]["used"]
    assert 2000 * MIB < usage["mem_peak_bytes"] < 4000 * MIB
    assert 20 < usage["utilization_percent"] <= 100
    assert usage["power_mw"] > 20000 and usage["energy_mj"] > 3 * 20000
    assert over["cpu_ms"] > 0 and over["peak_bytes"] > MIB


def test_who_keeps_memory_and_does_nothing_is_noticed(tgpu_factory):
    tgpu = tgpu_factory(gpus=None, config=FAST + "idle_after = 2s\n")
    job = cuda(tgpu, "memory", "500", "keep", "1000")
    shown = wait_for_job(tgpu, job, lambda job: any(event["event"] == "idle" for event in job["history"]))
    assert shown["state"] == "running"


def test_a_gpu_in_use_by_somebody_else_is_not_given_away(tgpu, stranger):
    wait_for_gpu(tgpu, "idle")
    process = stranger("memory", "300", "keep", "1000")
    shown = wait_for_gpu(tgpu, "foreign")
    assert f"pid {process.pid}" in shown["reason"]
    while not any(holder["pid"] == process.pid and holder["mem_bytes"] > 300 * MIB for holder in shown["processes"]):
        shown = gpu(tgpu)  # that look was taken while it was still coming
    everything = str(len(tgpu.api("GET", "/v1/gpus")[1]["gpus"]))
    job = cuda(tgpu, options=("--gpus", everything))
    assert f"pid {process.pid}" in tgpu.cli("why", str(job)).stdout
    process.kill()
    process.wait()
    assert tgpu.wait(job)["state"] == "finished"


def test_a_stranger_who_comes_at_a_daemons_start_is_seen(tgpu_factory, stranger):
    """No look at the GPUs, no start: the first report is waited for."""
    process = stranger("memory", "300", "keep", "1000")
    tgpu = tgpu_factory(gpus=None, config=FAST)
    job = cuda(tgpu, options=("--gpus", str(len(smi()))))
    assert f"pid {process.pid}" in wait_for_gpu(tgpu, "foreign")["reason"]
    assert tgpu.job(job)["state"] == "queued"


def test_memory_is_free_when_the_next_job_comes(tgpu):
    """Most of the GPU's memory, over and over; cancelled, killed or ended, the next one finds it free."""
    first = tgpu.wait(cuda(tgpu))
    line = next(line for line in tgpu.log_of(first["id"]).splitlines() if line.startswith("gpu "))
    much = str(free_mib(line) * 8 // 10)
    jobs = [cuda(tgpu, "memory", much, *words)
            for words in (("work", "300"), ("keep", "1000"), ("work", "300"), ("work", "100000"), ("work", "100"))]
    for job in (jobs[1], jobs[3]):
        tgpu.wait_for_state(job, "running")
        tgpu.wait_for_log(job, "gpu ")
        tgpu.cli("cancel", "--now", str(job))
    states = [tgpu.wait(job)["state"] for job in jobs]
    assert states == ["finished", "cancelled", "finished", "cancelled", "finished"], [tgpu.log_of(j) for j in jobs]
    for job in jobs:
        found = free_mib(tgpu.log_of(job).splitlines()[0])
        assert abs(found - free_mib(line)) < 300, (found, line)


def test_what_a_job_leaves_on_its_gpu_is_ended(tgpu, tmp_path):
    """A process that got away: another session, its parent gone, memory on the GPU."""
    fifo = tmp_path / "up"
    os.mkfifo(fifo)
    job = tgpu.submit("--gpus", "1", "--", f"cmd=setsid -f sh -c 'exec {CUDA_JOB} memory 1000 keep 1000 >{fifo}'; "
                      f"grep -m 1 keeps {fifo}")
    over = tgpu.wait(job)
    assert over["state"] == "finished", over
    wait_for_gpu(tgpu, "idle")
    assert gpu(tgpu)["processes"] == []


def test_a_job_lives_through_the_daemons_death(tgpu):
    job = cuda(tgpu, "memory", "500", "work", "3000")
    tgpu.wait_for_log(job, "gpu ")
    tgpu.kill9()
    tgpu.start()
    shown = gpu(tgpu)
    assert shown["job"] == job and shown["state"] == "allocated"
    over = tgpu.wait(job)
    assert over["state"] == "finished" and over["attempt"] == 1
    assert tgpu.log_of(job).splitlines()[-1] == "done"
    wait_for_gpu(tgpu, "idle")


def test_a_write_to_nowhere_is_the_jobs_own_fault(tgpu):
    """Xid 31, noted in the job's history although it comes after the job's end; the GPU stays in use."""
    wait_for_gpu(tgpu, "idle")
    over = tgpu.wait(cuda(tgpu, "stray"))
    assert over["state"] == "failed" and over["exit_code"] == 4, tgpu.log_of(over["id"])
    wait_for_gpu(tgpu, "idle")
    notes = [event["detail"] for event in tgpu.job(over["id"])["history"] if event["event"] == "gpu-error"]
    assert notes and notes[0].startswith("Xid 31"), tgpu.daemon_log()
    assert tgpu.wait(cuda(tgpu, "work", "100"))["state"] == "finished"


def test_jobs_never_share_a_gpu(tgpu, evidence, tmp_path):
    """Twenty short ones on whatever GPUs there are."""
    jobs = [tgpu.submit("--gpus", "1", "--", f"cmd={evidence} {tmp_path} 50 && {CUDA_JOB} memory 200 work 50")
            for _ in range(20)]
    assert [tgpu.wait(job)["state"] for job in jobs] == ["finished"] * len(jobs)
    assert "overlap" not in (tmp_path / "log").read_text()


def test_doctor_knows_the_driver(tgpu):
    done = tgpu.cli("doctor")
    assert smi()[0]["driver_version"] in done.stdout, done.stdout


def test_daemons_killed_at_random_instants_never_give_a_gpu_twice(tgpu, tmp_path):
    """Each job takes most of its GPU's memory and a lock: another one on it, alive or half dead, and it fails."""
    seconds = float(os.environ.get("TGPU_NVIDIA_SECONDS", "15"))
    first = tgpu.wait(cuda(tgpu))
    much = free_mib(tgpu.log_of(first["id"]).splitlines()[0]) * 7 // 10
    job = (f"cmd=exec flock -n {tmp_path}/gpu$CUDA_VISIBLE_DEVICES {CUDA_JOB} memory {much} work $((TGPU_JOB_ID * 37 % 400))")
    random = Random(int(os.environ.get("TGPU_TEST_SEED", "1")))
    deadline, jobs, kills = time.monotonic() + seconds, [], 0
    while time.monotonic() < deadline:
        waiting = len(tgpu.api("GET", "/v1/jobs")[1]["jobs"])
        jobs += [tgpu.submit("--gpus", "1", "--", job) for _ in range(random.randint(1, 3)) if waiting < 4]
        if random.random() < 0.5:
            tgpu.cli("cancel", *random.choice(([], ["--now"])), str(random.choice(jobs)))
        last = random.choice(jobs[-3:])
        tgpu.cli("wait", "--timeout", f"{random.randint(1, 700)}ms", str(last))
        if random.random() < 0.7:
            tgpu.kill9()
            tgpu.start()
            kills += 1
    ended = [tgpu.wait(job) for job in jobs]
    wrong = [(job["id"], job["state"], job["exit_code"], tgpu.log_of(job["id"])) for job in ended
             if job["state"] not in ("finished", "cancelled")]
    report(f"nvidia: {kills} kills; {len(jobs)} jobs ({sum(job['state'] == 'finished' for job in ended)} finished); "
           f"{seconds:.0f} s; {len(wrong)} wrong")
    assert not wrong and kills > 0, wrong
    wait_for_gpu(tgpu, "idle")
