# SPDX-License-Identifier: MIT
"""What a job makes of its GPUs: summed up by looks, kept with its end, never made up; and jobs that make nothing of them."""
import pathlib
import re
import time

import pytest

from harness import PATIENCE

pytestmark = pytest.mark.sanitize
FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
FAST = "probe_interval = 100ms\nunused_after = 200ms\n"


class Machine:
    """A daemon on a machine described by a file, simulated or behind the fake NVML, that changes under it."""

    def __init__(self, tgpu_factory, tmp_path, base, nvml=False, config=FAST):
        self.file = tmp_path / "machine"
        self.base = base
        self.set("")
        kind = {"fake_nvml": self.file} if nvml else {"gpus": f"simulated:{self.file}"}
        self.tgpu = tgpu_factory(config=config, **kind)

    def set(self, extra):
        new = self.file.with_suffix(".new")
        new.write_text(self.base + extra)
        new.rename(self.file)

    def running_job(self, *words):
        """(id, pid of its process)"""
        job = self.tgpu.submit(*words, "--", "cmd=echo pid $$ end; exec sleep 1000")
        self.tgpu.wait_for_log(job, "end")
        return job, int(self.tgpu.log_of(job).split()[1])

    def wait_for(self, job, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition(shown := self.tgpu.job(job)):
            assert time.monotonic() < deadline, f"{shown}\n{self.tgpu.daemon_log()}"
        return shown

    def wait_for_looks(self, job, n=4):
        """Until so many more looks were taken than there are now."""
        before = (self.tgpu.job(job)["usage"] or {"looks": 0})["looks"]
        return self.wait_for(job, lambda shown: shown["usage"] and shown["usage"]["looks"] >= before + n)

    def end(self, job):
        self.tgpu.cli("cancel", "--now", str(job))
        return self.tgpu.wait(job)


def test_simulated_loads_are_summed_up(tgpu_factory, tmp_path):
    machine = Machine(tgpu_factory, tmp_path, "mem 16G\ngpu\ngpu\ngpu\ngpu\n")
    job, pid = machine.running_job("--gpus", "4")
    load = f"load gpu=0 util=50 watts=200\nprocess gpu=0 pid={pid} mem=3G\n"
    machine.set(load + "".join(f"load gpu={i} util=0 watts=40\n" for i in (1, 2, 3)))
    machine.wait_for(job, lambda shown: shown["gpus"][0]["used"])
    machine.wait_for_looks(job)
    over = machine.end(job)
    usage = over["usage"]
    assert 0 < usage["utilization_percent"] <= 12.5 and usage["mem_peak_bytes"] == 3 << 30
    assert usage["power_mw"] == 80000, "before its load was described nothing was known of its power"
    assert usage["seen_ms"] > 0 and [gpu["used"] for gpu in over["gpus"]][0]
    text = machine.tgpu.cli("show", str(job)).stdout
    assert "GPU power    80.0 W" in text and "GPU mem peak 3G" in text


def test_four_asked_for_one_used(tgpu_factory, tmp_path):
    loads = "".join(f"load gpu={i} util={90 if i == 2 else 0} watts=40\n" for i in range(4))
    machine = Machine(tgpu_factory, tmp_path, "gpu\n" * 4 + loads)
    job, _ = machine.running_job("--gpus", "4")
    machine.wait_for(job, lambda shown: shown["usage"] and shown["usage"]["seen_ms"] > 400)
    over = machine.end(job)
    assert over["message"] == "it asked for 4 GPUs and used 1"
    assert [gpu["used"] for gpu in over["gpus"]] == [False, False, True, False]
    assert over["usage"]["gpus_used"] == 1 and over["usage"]["energy_mj"] > 0
    assert over["history"][-1]["detail"] == over["message"]
    assert over["usage"]["utilization_percent"] == 22.5
    shown = machine.tgpu.cli("show", str(job)).stdout
    assert "\nGPUs used    1 of 4\n" in shown and re.search(r"^GPU energy   \d+\.\d J$", shown, re.M)
    assert re.search(r"^all .* \d+\.\d J$", machine.tgpu.cli("stats").stdout, re.M)


def test_of_gpus_without_sensors_nothing_is_said(tgpu_factory, tmp_path):
    machine = Machine(tgpu_factory, tmp_path, "gpu\n" * 2)
    job, _ = machine.running_job("--gpus", "2")
    machine.wait_for(job, lambda shown: shown["usage"] and shown["usage"]["seen_ms"] > 400)
    over = machine.end(job)
    usage = over["usage"]
    assert over["message"] == "" and [gpu["used"] for gpu in over["gpus"]] == [None, None]
    assert all(usage[key] is None for key in usage if key not in ("looks", "seen_ms"))


def test_a_job_without_gpus_has_no_usage(tgpu_factory, tmp_path):
    machine = Machine(tgpu_factory, tmp_path, "gpu\n")
    watched, _ = machine.running_job("--gpus", "1")
    job, _ = machine.running_job()
    machine.wait_for_looks(watched)
    assert machine.end(job)["usage"] is None


def test_sums_outlive_the_daemon(tgpu_factory, tmp_path):
    machine = Machine(tgpu_factory, tmp_path, "gpu\nload gpu=0 util=60 watts=100\n")
    job, _ = machine.running_job("--gpus", "1")
    before = machine.wait_for_looks(job)["usage"]
    machine.tgpu.restart()
    after = machine.wait_for_looks(job)["usage"]
    assert after["looks"] > before["looks"] and after["seen_ms"] > before["seen_ms"]
    assert after["utilization_percent"] == 60 and after["power_mw"] == 100000


def test_an_attempt_begins_with_nothing(tgpu_factory, tmp_path):
    machine = Machine(tgpu_factory, tmp_path, "gpu\nload gpu=0 util=100\n")
    job, _ = machine.running_job("--gpus", "1")
    machine.wait_for_looks(job)
    machine.set("load gpu=0 util=20\n")
    machine.wait_for(job, lambda shown: shown["usage"]["utilization_percent"] < 100)
    machine.tgpu.cli("requeue", "--now", str(job))
    machine.wait_for(job, lambda shown: shown["attempt"] == 2)
    shown = machine.wait_for(job, lambda shown: shown["usage"] and shown["usage"]["utilization_percent"])
    assert shown["usage"]["utilization_percent"] == 20


def test_nvml_counts_energy_and_memory(tgpu_factory, tmp_path):
    machine = Machine(tgpu_factory, tmp_path, (FIXTURES / "dgx1v.nvml").read_text(), nvml=True)
    job, pid = machine.running_job("--gpus", "8")
    machine.wait_for_looks(job)
    assert machine.tgpu.job(job)["usage"]["energy_mj"] == 0, "the counters stand still"
    machine.set(f"energy 3 123516789\npower 3 250000\nutil 3 100\nproc gpu=3 pid={pid} mem=4000 kind=C\n")
    shown = machine.wait_for(job, lambda shown: shown["usage"]["energy_mj"])
    assert shown["usage"]["energy_mj"] == 60000
    machine.wait_for_looks(job)
    over = machine.end(job)
    usage = over["usage"]
    assert usage["energy_mj"] == 60000 and usage["mem_peak_bytes"] == 4000 << 20
    assert 43210 < usage["power_mw"] < 43210 + (250000 - 43210) / 8
    assert 7 < usage["utilization_percent"] < 7 + 93 / 8
    assert usage["gpus_used"] == 8, "7 % is use"


def test_energy_from_power_where_there_is_no_counter(tgpu_factory, tmp_path):
    base = (FIXTURES / "dgx1v.nvml").read_text() + "hide nvmlDeviceGetTotalEnergyConsumption\n"
    machine = Machine(tgpu_factory, tmp_path, base, nvml=True)
    job, _ = machine.running_job("--gpus", "2")
    shown = machine.wait_for(job, lambda shown: shown["usage"] and shown["usage"]["seen_ms"] > 300)["usage"]
    expected = 2 * 43210 * shown["seen_ms"] / 1000
    assert abs(shown["energy_mj"] - expected) < 2 * shown["looks"], "each look may lose a millijoule per GPU"


IDLE = "util {0} 0\npower {0} 40000\n"


def all_idle():
    return "".join(IDLE.format(gpu) for gpu in range(8))


def idle_events(shown):
    return [event for event in shown["history"] if event["event"] == "idle"]


def test_a_job_that_does_nothing_is_noticed_once(tgpu_factory, tmp_path):
    config = FAST + "idle_after = 300ms\n"
    machine = Machine(tgpu_factory, tmp_path, (FIXTURES / "dgx1v.nvml").read_text() + all_idle(), True, config)
    job, _ = machine.running_job("--gpus", "2")
    shown = machine.wait_for(job, idle_events)
    assert shown["state"] == "running" and "done nothing for" in idle_events(shown)[0]["detail"]
    shown = machine.wait_for_looks(job, 8)
    assert len(idle_events(shown)) == 1
    assert f"job={job}" in machine.tgpu.daemon_log()


def test_a_busy_gpu_or_memory_with_power_is_not_idle(tgpu_factory, tmp_path):
    config = FAST + "idle_after = 200ms\n"
    machine = Machine(tgpu_factory, tmp_path, (FIXTURES / "dgx1v.nvml").read_text(), True, config)
    one, _ = machine.running_job("--gpus", "1")
    other, pid = machine.running_job("--gpus", "1")
    at = machine.tgpu.job(other)["gpus"][0]["index"]
    # `one` computes now and then; `other` has its data on the card, whose power says that it is awake.
    machine.set(all_idle() + "util {0} 1\n".format(machine.tgpu.job(one)["gpus"][0]["index"]) +
                f"power {at} 60000\nproc gpu={at} pid={pid} mem=400 kind=C\n")
    machine.wait_for_looks(one, 8)
    assert not idle_events(machine.wait_for_looks(other, 8)) and not idle_events(machine.tgpu.job(one))
    # It falls asleep with its memory still there: hung.
    machine.set(all_idle() + f"proc gpu={at} pid={pid} mem=400 kind=C\n")
    machine.wait_for(other, idle_events)


def test_idle_jobs_may_begin_again(tgpu_factory, tmp_path):
    config = FAST + "idle_after = 300ms\nidle_action = requeue\n"
    machine = Machine(tgpu_factory, tmp_path, (FIXTURES / "dgx1v.nvml").read_text() + all_idle(), True, config)
    kept, _ = machine.running_job("--gpus", "1", "--no-requeue")
    job, _ = machine.running_job("--gpus", "1")
    shown = machine.wait_for(job, lambda shown: shown["attempt"] >= 2)
    assert idle_events(shown)
    machine.wait_for(kept, idle_events)
    assert machine.tgpu.job(kept)["attempt"] == 1 and machine.tgpu.job(kept)["state"] == "running"
