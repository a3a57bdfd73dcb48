# SPDX-License-Identifier: MIT
"""Disjoint, well connected sets; what waits says for what and for whom."""
import itertools
import re

from harness import ROOT

FIXTURES = ROOT / "tests" / "fixtures"


def gpus_of(job):
    return sorted(gpu["index"] for gpu in job["gpus"])


def links_of(tgpu):
    return tgpu.api("GET", "/v1/gpus")[1]["links"]


def test_jobs_of_4_2_2_run_at_once_and_the_next_one_knows_why_it_waits(tgpu_factory):
    tgpu = tgpu_factory(gpus=f"simulated:{FIXTURES / 'dgx1v.topo'}")
    jobs = [tgpu.submit("--gpus", str(n), "--", "sleep", "1000") for n in (4, 2, 2)]
    shown = [tgpu.wait_for_state(job, "running") for job in jobs]
    sets = [gpus_of(job) for job in shown]
    assert sorted(itertools.chain(*sets)) == list(range(8))
    links = links_of(tgpu)
    assert sets[0] == [0, 1, 2, 3]  # one of the two best quads
    assert sets[1] == [6, 7] and links[6][7] == "NV2"  # NV2 on one PCIe switch: the best pair left
    assert sets[2] == [4, 5]
    waiting = tgpu.submit("--gpus", "3", "--", "true")
    why = tgpu.cli("why", str(waiting))
    assert why.returncode == 0
    assert "needs 3 GPUs" in why.stdout and "0 of 8" in why.stdout
    for job in jobs:
        assert f"job {job}" in why.stdout
    reason = tgpu.job(waiting)["reason"]
    assert reason["code"] == "resources"
    tgpu.cli("cancel", "--now", str(jobs[0]))
    assert tgpu.wait(waiting)["state"] == "finished"


def test_priority_goes_first_and_short_jobs_pass_only_where_it_delays_nobody(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    holder = tgpu.submit("--gpus", "2", "--time", "1h", "--", "sleep", "1000")
    tgpu.wait_for_state(holder, "running")
    head = tgpu.submit("--gpus", "4", "--", "true")
    endless = tgpu.submit("--gpus", "1", "--", "true")
    short = tgpu.submit("--gpus", "1", "--time", "10m", "--", "true")
    assert tgpu.wait(short)["state"] == "finished"
    assert tgpu.job(endless)["state"] == "queued"
    assert tgpu.job(endless)["reason"]["code"] == "order"
    assert f"job {head}" in tgpu.cli("why", str(endless)).stdout
    tgpu.cli("cancel", "--now", str(holder))
    for job in (head, endless):
        assert tgpu.wait(job)["state"] == "finished"
    assert tgpu.job(head)["start_ms"] <= tgpu.job(endless)["start_ms"]


def test_hold_release_and_begin(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    held = tgpu.submit("--hold", "--", "true")
    assert tgpu.job(held)["reason"]["code"] == "held"
    later = tgpu.submit("--begin", "now+1h", "--", "true")
    assert tgpu.job(later)["reason"]["code"] == "begin"
    soon = tgpu.submit("--begin", "now+1s", "--", "true")
    assert tgpu.cli("release", str(held)).returncode == 0
    assert tgpu.wait(held)["state"] == "finished"
    assert tgpu.wait(soon)["state"] == "finished"
    assert tgpu.cli("cancel", str(later)).returncode == 0
    assert tgpu.job(later)["state"] == "cancelled"


def test_dgx1v_through_nvml_gets_an_nv2_pair_and_a_best_quad(nvml_tgpu_factory):
    tgpu = nvml_tgpu_factory(FIXTURES / "dgx1v.nvml")
    status = tgpu.api("GET", "/v1/status")[1]
    assert status["source"] == "nvml" and not status["simulated"]
    quad = tgpu.wait_for_state(tgpu.submit("--gpus", "4", "--", "sleep", "1000"), "running")
    assert gpus_of(quad) in ([0, 1, 2, 3], [4, 5, 6, 7])
    pair = tgpu.wait_for_state(tgpu.submit("--gpus", "2", "--", "sleep", "1000"), "running")
    a, b = gpus_of(pair)
    assert links_of(tgpu)[a][b] == "NV2"


def test_foreign_processes_keep_their_gpu(nvml_tgpu_factory):
    tgpu = nvml_tgpu_factory(FIXTURES / "dgx1v.nvml", extra="proc gpu=3 pid={pid} mem=4000 kind=C\n")
    states = {gpu["index"]: gpu for gpu in tgpu.api("GET", "/v1/gpus")[1]["gpus"]}
    assert states[3]["state"] == "foreign" and "pid" in states[3]["reason"]
    job = tgpu.submit("--gpus", "8", "--", "true")
    assert tgpu.job(job)["reason"]["code"] == "unavailable"
    assert "gpu3" in tgpu.cli("why", str(job)).stdout
    other = tgpu.wait_for_state(tgpu.submit("--gpus", "7", "--", "sleep", "1000"), "running")
    assert 3 not in gpus_of(other)


def test_gpus_that_appear_and_vanish(tgpu_factory, tmp_path):
    machine = tmp_path / "machine.topo"
    whole = (FIXTURES / "dgx1v.topo").read_text()
    machine.write_text(whole + "health gpu=5 state=lost\n")
    tgpu = tgpu_factory(gpus=f"simulated:{machine}", config="probe_interval = 100ms\n")
    job = tgpu.submit("--gpus", "7", "--", "sleep", "1000")
    assert 5 not in gpus_of(tgpu.wait_for_state(job, "running"))
    better = tmp_path / "better"
    better.write_text(whole)
    better.rename(machine)  # no half of it is ever read
    late = tgpu.submit("--gpus", "1", "--", "true")
    assert gpus_of(tgpu.wait(late)) == [5]


def test_each_word_of_the_matrix_is_explained(tgpu_factory, tmp_path):
    """A GPU without numa= is linked by "?", as docs/simulated-gpus.md says."""
    machine = tmp_path / "machine"
    machine.write_text("gpu\ngpu numa=0\ngpu numa=0\ngpu numa=1\n")
    tgpu = tgpu_factory(gpus=f"simulated:{machine}")
    assert tgpu.api("GET", "/v1/gpus")[1]["links"] == [["X", "?", "?", "?"], ["?", "X", "NODE", "SYS"],
                                                      ["?", "NODE", "X", "SYS"], ["?", "SYS", "SYS", "X"]]
    shown = tgpu.cli("gpus", "--topology").stdout
    names = re.findall(r'\[PCI_LINK_\w+\] = "([^"]+)"', (ROOT / "common" / "link.c").read_text())
    assert len(names) == 7
    for word in (*names, "X", "NV#"):
        assert f"{word} = " in shown, word
