# SPDX-License-Identifier: MIT
"""The states of a GPU: it comes back only when it is really free, and one that breaks takes nobody along."""
import pathlib
import time

import pytest

from harness import BUILD, PATIENCE

pytestmark = pytest.mark.sanitize
FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
FAST = "probe_interval = 100ms\nclean_timeout = 300ms\n"


class Machine:
    """A daemon on the fake NVML whose machine changes under it."""

    def __init__(self, tgpu_factory, tmp_path, config=FAST):
        self.file = tmp_path / "machine.nvml"
        self.base = (FIXTURES / "dgx1v.nvml").read_text()
        self.set("")
        self.tgpu = tgpu_factory(fake_nvml=self.file, config=config)

    def set(self, extra):
        """Replace what is said beyond the fixture; no half of it is ever read."""
        new = self.file.with_suffix(".new")
        new.write_text(self.base + extra)
        new.rename(self.file)

    def gpu(self, index):
        return next(gpu for gpu in self.tgpu.api("GET", "/v1/gpus")[1]["gpus"] if gpu["index"] == index)

    def wait_for(self, index, state):
        deadline = time.monotonic() + PATIENCE
        while (gpu := self.gpu(index))["state"] != state:
            assert time.monotonic() < deadline, f"not {state}: {gpu}\n{self.tgpu.daemon_log()}"
        return gpu

    def running_job(self, *words):
        """A job on all eight GPUs."""
        job = self.tgpu.submit("--gpus", "8", *words, "--", "cmd=echo up $TGPU_RESTART_COUNT; exec sleep 1000")
        self.tgpu.wait_for_log(job, "up")
        return job


def test_a_holder_left_by_a_job_is_named_until_it_goes(tgpu_factory, tmp_path, bystander):
    machine = Machine(tgpu_factory, tmp_path)
    machine.wait_for(3, "idle")
    job = machine.running_job()
    assert machine.gpu(3)["state"] == "allocated"
    machine.set(f"proc gpu=3 pid={bystander} mem=4000 kind=C\n")
    machine.tgpu.cli("cancel", "--now", str(job))
    sick = machine.wait_for(3, "unhealthy")
    assert f"pid {bystander}" in sick["reason"] and f"left by job {job}" in sick["reason"]
    machine.wait_for(2, "idle")
    waiting = machine.tgpu.submit("--gpus", "8", "--", "true")
    assert f"pid {bystander}" in machine.tgpu.cli("why", str(waiting)).stdout
    machine.set("")
    assert machine.tgpu.wait(waiting)["state"] == "finished"


def test_memory_that_does_not_come_back(tgpu_factory, tmp_path):
    machine = Machine(tgpu_factory, tmp_path)
    machine.wait_for(5, "idle")
    job = machine.running_job()
    lines = machine.base.splitlines()
    at = [i for i, line in enumerate(lines) if line.startswith("gpu ")][5]
    words = [word for word in lines[at].split(" ") if not word.startswith("used=")]
    words.insert(1, "used=600")  # below foreign_memory, but far above what it was when it was last free
    lines[at] = " ".join(words)
    healthy, machine.base = machine.base, "\n".join(lines) + "\n"
    machine.set("")
    machine.tgpu.cli("cancel", "--now", str(job))
    assert "600" in machine.wait_for(5, "unhealthy")["reason"]
    machine.base = healthy
    machine.set("")
    machine.wait_for(5, "idle")


def test_a_gpu_that_is_lost_under_a_job(tgpu_factory, tmp_path):
    machine = Machine(tgpu_factory, tmp_path)
    machine.wait_for(0, "idle")
    job = machine.running_job("--no-requeue")
    machine.set("falling 2\n")
    over = machine.tgpu.wait(job)
    assert (over["state"], over["cause"]) == ("failed", "gpu-error") and "gpu2" in over["message"]
    machine.wait_for(2, "lost")
    other = machine.tgpu.wait_for_state(machine.tgpu.submit("--gpus", "7", "--", "sleep", "1000"), "running")
    assert 2 not in [gpu["index"] for gpu in other["gpus"]]


def test_a_critical_xid_drains_that_gpu_and_the_job_begins_again(tgpu_factory, tmp_path):
    machine = Machine(tgpu_factory, tmp_path)
    machine.wait_for(0, "idle")
    tgpu = machine.tgpu
    job = tgpu.submit("--gpus", "1", "--", "cmd=echo up $TGPU_RESTART_COUNT $CUDA_VISIBLE_DEVICES; exec sleep 1000")
    bystander_job = tgpu.submit("--gpus", "1", "--", "cmd=echo up; exec sleep 1000")
    tgpu.wait_for_log(job, "up 0")
    tgpu.wait_for_log(bystander_job, "up")
    broken = tgpu.job(job)["gpus"][0]["index"]
    machine.set(f"xid {broken} 79\n")
    tgpu.wait_for_log(job, "up 1")
    shown = tgpu.job(job)
    assert shown["attempt"] == 2 and shown["gpus"][0]["index"] != broken
    assert any("Xid 79" in event["detail"] for event in shown["history"])
    assert tgpu.job(bystander_job)["state"] == "running" and tgpu.job(bystander_job)["attempt"] == 1
    assert "fallen off" in machine.wait_for(broken, "drained")["reason"]
    tgpu.kill9()
    tgpu.start()
    assert machine.gpu(broken)["state"] == "drained"
    assert tgpu.job(job)["attempt"] == 2, "one event is acted on once"
    machine.set("")
    assert tgpu.cli("resume", str(broken)).returncode == 0
    machine.wait_for(broken, "idle")


def test_an_xid_of_the_programs_own_making_is_only_noted(tgpu_factory, tmp_path):
    machine = Machine(tgpu_factory, tmp_path)
    machine.wait_for(0, "idle")
    job = machine.running_job()
    machine.set("xid 1 31\n")
    shown = machine.tgpu.wait_until(job, lambda job: any(e["event"] == "gpu-error" for e in job["history"]), "noted")
    assert shown["state"] == "running" and machine.gpu(1)["state"] == "allocated"


def test_an_xid_that_comes_after_the_job_has_died_of_it_is_the_jobs(tgpu_factory, tmp_path):
    machine = Machine(tgpu_factory, tmp_path, "probe_interval = 1h\n")
    job = machine.running_job()
    machine.set("xid 1 31\n")
    machine.tgpu.cli("cancel", "--now", str(job))  # and the look that follows an end is the first to see it
    machine.wait_for(1, "idle")
    assert [event["detail"] for event in machine.tgpu.wait(job)["history"] if event["event"] == "gpu-error"] == [
        "Xid 31: GPU memory page fault: an illegal address"], machine.tgpu.daemon_log()


def test_uncorrectable_memory_errors_drain_the_gpu(tgpu_factory, tmp_path):
    machine = Machine(tgpu_factory, tmp_path)
    machine.set("ecc 4 0\n")
    machine.wait_for(4, "idle")
    job = machine.running_job("--no-requeue")
    machine.set("ecc 4 2\n")
    over = machine.tgpu.wait(job)
    assert (over["state"], over["cause"]) == ("failed", "gpu-error") and "gpu4" in over["message"]
    assert "2 uncorrectable" in machine.wait_for(4, "drained")["reason"]


def test_a_probe_that_babbles_is_no_sign_of_life(tgpu_factory, tmp_path):
    """It reported once, and from then on says what is no report: what it said no longer holds."""
    probe = tmp_path / "tgpu-probe"
    probe.write_text(f"#!/bin/sh\n{BUILD}/probe/tgpu-probe \"$@\" | "
                     "(head -n 1; while echo babble; do sleep 0.05; done)\n")
    probe.chmod(0o755)
    (tmp_path / "tgpu-runner").symlink_to(BUILD / "runner" / "tgpu-runner")
    tgpu = tgpu_factory(gpus="simulated:1", config="probe_interval = 100ms\nprobe_timeout = 400ms\n",
                        daemon_env={"TGPU_LIBEXEC_DIR": str(tmp_path)})
    deadline = time.monotonic() + PATIENCE
    while (gpu := tgpu.api("GET", "/v1/gpus")[1]["gpus"][0])["state"] != "unhealthy":
        assert time.monotonic() < deadline, gpu
    assert "does not answer" in gpu["reason"]


def test_a_clock_that_is_set_back_keeps_no_gpu(tgpu_factory, tmp_path):
    """The job ended by a clock that ran ahead; what is seen later has an earlier time."""
    probe = tmp_path / "tgpu-probe"
    probe.write_text(f"#!/bin/sh\n{BUILD}/probe/tgpu-probe \"$@\" | "
                     "sed -u 's/\"time_ns\":[0-9]*/\"time_ns\":1000000000000000000/'\n")
    probe.chmod(0o755)
    (tmp_path / "tgpu-runner").symlink_to(BUILD / "runner" / "tgpu-runner")
    tgpu = tgpu_factory(fake_nvml=FIXTURES / "dgx1v.nvml", config=FAST,
                        daemon_env={"TGPU_LIBEXEC_DIR": str(tmp_path)})
    for _ in range(2):
        assert tgpu.wait(tgpu.submit("--gpus", "8", "--", "true"))["state"] == "finished"
