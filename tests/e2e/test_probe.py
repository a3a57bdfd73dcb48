# SPDX-License-Identifier: MIT
"""tgpu-probe end to end: every backend, and what happens when a GPU or a driver misbehaves.

The NVML backend runs against the project's own libnvidia-ml.so.1, nvidia-smi against a script that
the test writes, /proc and /sys against trees that the test makes. Needs no GPU.
"""

import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import stat
import subprocess
import time

import pytest

BUILD = pathlib.Path(os.environ.get("TGPU_BUILD_DIR", "build"))
PROBE = BUILD / "probe" / "tgpu-probe"
FAKE = BUILD / "tests" / "fake_nvml"
FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
MIB = 1 << 20
PATIENCE = 60  # seconds until a test gives up waiting for something that comes at once

F1 = """
X   NV1 NV1 NV2 NV2 SYS SYS SYS
NV1 X   NV2 NV1 SYS NV2 SYS SYS
NV1 NV2 X   NV2 SYS SYS NV1 SYS
NV2 NV1 NV2 X   SYS SYS SYS NV1
NV2 SYS SYS SYS X   NV1 NV1 NV2
SYS NV2 SYS SYS NV1 X   NV2 NV1
SYS SYS NV1 SYS NV1 NV2 X   NV2
SYS SYS SYS NV1 NV2 NV1 NV2 X
"""
F1_PCIE = """
X   PIX PHB PHB SYS SYS SYS SYS
PIX X   PHB PHB SYS SYS SYS SYS
PHB PHB X   PIX SYS SYS SYS SYS
PHB PHB PIX X   SYS SYS SYS SYS
SYS SYS SYS SYS X   PIX PHB PHB
SYS SYS SYS SYS PIX X   PHB PHB
SYS SYS SYS SYS PHB PHB X   PIX
SYS SYS SYS SYS PHB PHB PIX X
"""


def rows(text):
    return [line.split() for line in text.strip().splitlines()]


def matrix(report, word):
    """The links of a report as a matrix of words, X on the diagonal."""
    n = len(report["gpus"])
    cells = [["X" if i == j else "?" for j in range(n)] for i in range(n)]
    for i, j, pci, nvlinks in report["links"]:
        cells[i][j] = cells[j][i] = word(pci, nvlinks)
    return cells


def topo_words(report):
    return matrix(report, lambda pci, nv: f"NV{nv}" if nv else pci)


def pcie_words(report):
    return matrix(report, lambda pci, nv: pci)


@pytest.fixture
def world(tmp_path):
    """An environment in which nothing of this machine's own GPUs can be seen."""
    root = tmp_path / "root"
    (root / "proc").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for program in ("cat", "sleep", "yes"):  # for what stands in for nvidia-smi; the machine may have a true one
        (tmp_path / "bin" / program).symlink_to(shutil.which(program))
    env = {k: v for k, v in os.environ.items() if not k.startswith("TGPU_")}
    env["TGPU_PROBE_ROOT"] = str(root)
    env["TGPU_NVML_LIB"] = str(tmp_path / "no-such-library.so")
    env["PATH"] = f"{tmp_path}/bin"
    return World(tmp_path, root, env)


class World:
    def __init__(self, tmp, root, env):
        self.tmp, self.root, self.env = tmp, root, env

    def write(self, path, text):
        """A file under the root of /proc and /sys."""
        path = self.root / path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def pci(self, way, vendor, class_code="0x030200", **files):
        """A PCI device, by its way from the host bridge; yields its bus id."""
        bus_id = way.rsplit("/", 1)[-1]
        place = f"/sys/devices/{way}"
        for name, text in {"vendor": vendor, "class": class_code, **files}.items():
            self.write(f"{place}/{name}", f"{text}\n")
        link = self.root / "sys/bus/pci/devices" / bus_id
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../../../devices/{way}")
        return bus_id

    def process(self, pid, comm, ppid=1, cgroup="/"):
        self.write(f"/proc/{pid}/stat", f"{pid} ({comm}) S {ppid} 1 1 0 -1\n")
        self.write(f"/proc/{pid}/comm", f"{comm}\n")
        self.write(f"/proc/{pid}/cgroup", f"12:cpu:/x\n0::{cgroup}\n")

    def fake(self, text, library="nvidia-ml"):
        """Load the fake NVML on a machine described by text or by a fixture's name."""
        self.fake_file = self.tmp / "fake.nvml"
        if text.endswith(".nvml"):
            text = (FIXTURES / text).read_text()
        self.fake_write(text)
        self.env["TGPU_NVML_LIB"] = str(FAKE / f"lib{library}.so.1")
        self.env["TGPU_FAKE_NVML"] = str(self.fake_file)
        return text

    def fake_write(self, text):
        new = self.tmp / "new.nvml"
        new.write_text(text)
        new.rename(self.fake_file)

    def smi(self, body):
        path = self.tmp / "bin" / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(self, *args, **env):
        return subprocess.run(
            [PROBE, "--once", *args],
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def report(self, **env):
        done = self.run(**env)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1
        return json.loads(done.stdout)

    @contextlib.contextmanager
    def running(self, interval="1h", **env):
        process = subprocess.Popen(
            [PROBE, "--interval", interval],
            env={**self.env, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def next_report(process, ask=False):
    if ask:
        process.stdin.write(b"\n")
    pending, deadline = getattr(process, "pending", b""), time.monotonic() + PATIENCE
    while b"\n" not in pending:
        ready, _, _ = select.select([process.stdout], [], [], deadline - time.monotonic())
        assert ready, "no report"
        chunk = os.read(process.stdout.fileno(), 1 << 16)
        assert chunk, "the probe ended"
        pending += chunk
    line, process.pending = pending.split(b"\n", 1)
    return json.loads(line)


GPU = "gpu uuid=GPU-{i} bus=0000:{bus}:00.0 minor={i} node=0 cpus=0-3 mem=16000 name=Fake\n"
TWO = "driver 550.1\n" + GPU.format(i=0, bus="06") + GPU.format(i=1, bus="07")
FOUR = TWO + GPU.format(i=2, bus="0a") + GPU.format(i=3, bus="0b")


# The program


def test_a_machine_without_gpus_has_an_empty_report(world):
    report = world.report()
    assert report["source"] == "none"
    assert report["gpus"] == [] and report["warnings"] == []


def test_reports_at_start_on_demand_and_ends_with_stdin(world):
    with world.running(TGPU_GPUS="simulated:2") as probe:
        first = next_report(probe)
        second = next_report(probe, ask=True)
        assert second["time_ns"] > first["time_ns"]
        probe.stdin.close()
        assert probe.wait(PATIENCE) == 0


def test_reports_at_every_interval(world):
    with world.running(interval="10ms", TGPU_GPUS="simulated:1") as probe:
        times = [next_report(probe)["time_ns"] for _ in range(3)]
        assert times == sorted(times)


def test_time_is_when_the_probe_began(world):
    world.fake(TWO + "delay_ms nvmlDeviceGetName 100\n")
    before = time.time_ns()
    report = world.report()
    assert before <= report["time_ns"] <= time.time_ns() - 200_000_000


@pytest.mark.parametrize(
    "gpus, sentence",
    [
        ("", "is not a machine"),
        ("8", "is not a machine"),
        ("simulated", "is not a machine"),
        ("simulated:0", "write a number from 1 to 64"),
        ("simulated:65", "write a number from 1 to 64"),
        ("simulated:", "write a number from 1 to 64"),
        ("simulated:/no/such/file", "cannot read the file"),
    ],
)
def test_a_bad_tgpu_gpus_is_an_error(world, gpus, sentence):
    done = world.run(TGPU_GPUS=gpus)
    assert done.returncode == 2
    assert sentence in done.stderr and "TGPU_GPUS" in done.stderr
    assert sentence in json.loads(done.stdout)["error"], "whoever reads reports reads why there is none"


@pytest.mark.parametrize("args", [["--interval", "0s"], ["--interval", "x"], ["--what"], ["x"]])
def test_bad_usage(world, args):
    assert world.run(*args, TGPU_GPUS="none").returncode == 2


# Simulated machines


def test_simulated_by_number(world):
    report = world.report(TGPU_GPUS="simulated:8")
    assert report["source"] == "simulated" and report["simulated"] is True
    assert [gpu["index"] for gpu in report["gpus"]] == list(range(8))
    assert {gpu["vendor"] for gpu in report["gpus"]} == {"simulated"}
    assert topo_words(report)[0] == "X NV4 NODE NODE SYS SYS SYS SYS".split()
    assert topo_words(report)[6] == "SYS SYS SYS SYS NODE NODE X NV4".split()
    assert report["gpus"] == world.report(TGPU_GPUS="simulated:8")["gpus"]


@pytest.mark.parametrize("n", [1, 2, 3, 6, 64])
def test_simulated_pairs_never_cross_sockets(world, n):
    report = world.report(TGPU_GPUS=f"simulated:{n}")
    assert len(report["gpus"]) == n
    numa = [gpu["numa"] for gpu in report["gpus"]]
    assert all(numa[i] == numa[j] for i, j, _, nv in report["links"] if nv)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.topo")), ids=lambda path: path.stem)
def test_fixtures_are_what_they_say(world, path):
    report = world.report(TGPU_GPUS=f"simulated:{path}")
    text = path.read_text()
    links = text.split("links\n", 1)[1].split("pcie\n")[0]
    n = sum(line.startswith("gpu") for line in text.splitlines())
    expected = rows("\n".join(links.splitlines()[:n]))
    whole = [i for i, gpu in enumerate(report["gpus"]) if "parent" not in gpu]
    seen = topo_words(report)
    numa = [report["gpus"][i].get("numa") for i in whole]
    for a in range(n):
        for b in range(n):
            if expected[a][b] == "?":  # then the NUMA nodes decide
                expected[a][b] = "NODE" if numa[a] == numa[b] else "SYS"
    assert [[seen[i][j] for j in whole] for i in whole] == expected


def test_a_simulated_file_is_read_again(world):
    path = world.tmp / "machine.topo"
    text = "gpu\ngpu\ngpu\n"
    path.write_text(text)
    with world.running(TGPU_GPUS=f"simulated:{path}") as probe:
        before = next_report(probe)
        path.write_text(text + "absent gpu=1\nhealth gpu=2 state=lost\n"
                        "process gpu=0 pid=812 mem=4G name=python uid=1000\n")
        after = next_report(probe, ask=True)
    assert [gpu["uuid"] for gpu in after["gpus"]] == [before["gpus"][i]["uuid"] for i in (0, 2)]
    assert after["gpus"][1]["health"] == "lost"
    assert after["gpus"][0]["processes"] == [
        {"pid": 812, "mem_bytes": 4 << 30, "uid": 1000, "name": "python", "kind": "C"}
    ]


def test_a_real_process_can_hold_a_simulated_gpu(world):
    path = world.tmp / "machine.topo"
    path.write_text(f"gpu\nprocess gpu=0 pid={os.getpid()}\n")
    report = world.report(TGPU_GPUS=f"simulated:{path}", TGPU_PROBE_ROOT="")
    process = report["gpus"][0]["processes"][0]
    assert process["uid"] == os.getuid()
    assert process["name"] == pathlib.Path("/proc/self/comm").read_text().strip()[:63]
    if os.getppid() > 1:
        assert process["ancestors"][0] == os.getppid()


# NVML


def test_dgx1v_has_the_topology_of_the_real_one(world):
    world.fake("dgx1v.nvml")
    report = world.report()
    assert report["source"] == "nvml" and report["driver"] == "550.163.01"
    assert report["warnings"] == [] and "simulated" not in report
    assert topo_words(report) == rows(F1)
    assert pcie_words(report) == rows(F1_PCIE)
    gpu = report["gpus"][4]
    assert gpu["bus_id"] == "0000:85:00.0" and gpu["numa"] == 1 and gpu["index"] == 4
    assert gpu["cpus"] == "12-23,36-47" and gpu["mem_total_bytes"] == 16160 * MIB
    assert gpu["mem_used_bytes"] == 0 and gpu["utilization_percent"] == 7
    assert gpu["power_mw"] == 43210 and gpu["temperature_c"] == 35
    assert gpu["energy_mj"] == 123456789 and gpu["processes"] == []


def test_links_whose_numbers_have_a_gap(world):
    world.fake("linkbase 2\n" + TWO + "link 0 1 NV3\n")
    assert topo_words(world.report())[0][1] == "NV3"


def test_a_link_that_one_end_does_not_see_does_not_count(world):
    world.fake(TWO + "oneway 0 1 NV2\noneway 1 0 NV1\nlink 0 1 PXB\n")
    report = world.report()
    assert topo_words(report)[0][1] == "NV1" and pcie_words(report)[0][1] == "PXB"


@pytest.mark.parametrize("library", ["nvidia-ml", "nvidia-ml-r418"])
def test_gpus_behind_switches_reach_each_other(world, library):
    world.fake(FOUR + "switch 0 12\nswitch 1 12\nswitch 2 11\n", library)
    words = topo_words(world.report())
    assert words[0][1] == "NV12" and words[0][2] == "NV11" and words[0][3] == "SYS"


def test_numbers_follow_the_bus_whatever_the_librarys_order(world):
    world.fake(GPU.format(i=7, bus="b0") + GPU.format(i=8, bus="0b") + "link 0 1 PIX\n")
    report = world.report()
    assert [(gpu["index"], gpu["uuid"]) for gpu in report["gpus"]] == [(0, "GPU-8"), (1, "GPU-7")]
    assert report["gpus"][0]["minor"] == 8


PROCESSES = (
    "proc gpu=0 pid=4001 mem=1024 kind=C\n"
    "proc gpu=0 pid=4001 mem=1030 kind=G\n"
    "proc gpu=0 pid=4002 mem=64 kind=G\n"
    "proc gpu=0 pid=4003 mem=? kind=C\n"
    "proc gpu=1 pid=4001 mem=7 kind=C\n"
)


def holders(gpu):
    return [(p["pid"], p.get("mem_bytes"), p["kind"]) for p in gpu["processes"]]


@pytest.mark.parametrize(
    "library, stride",
    [
        ("nvidia-ml", 16),
        ("nvidia-ml", 24),
        ("nvidia-ml", 32),
        ("nvidia-ml-r470", 24),
        ("nvidia-ml-r418", 16),
    ],
)
def test_processes_in_every_layout_of_every_driver(world, library, stride):
    world.fake(f"stride {stride}\n" + TWO + PROCESSES, library)
    report = world.report()
    assert report["warnings"] == []
    assert holders(report["gpus"][0]) == [
        (4001, 1030 * MIB, "C"),
        (4003, None, "C"),
        (4002, 64 * MIB, "G"),
    ]
    assert holders(report["gpus"][1]) == [(4001, 7 * MIB, "C")]


def test_the_r535_beta_writes_32_bytes(world):
    world.fake("r535-54.nvml")
    gpu = world.report()["gpus"][0]
    assert holders(gpu) == [(4001, 1024 * MIB, "C"), (4002, 64 * MIB, "C"), (4003, None, "C")]


def test_an_unknown_layout_makes_processes_unknown_not_none(world):
    world.fake("stride 8\n" + TWO + PROCESSES)
    report = world.report()
    assert "processes" not in report["gpus"][0]
    assert any("does not know" in warning for warning in report["warnings"])


def test_mps_clients_are_listed(world):
    world.fake(TWO + "proc gpu=1 pid=77 mem=5 kind=M\n")
    assert holders(world.report()["gpus"][1]) == [(77, 5 * MIB, "M")]


def test_more_processes_than_a_report_lists(world):
    world.fake(TWO + "".join(f"proc gpu=0 pid={5000 + i} mem=1\n" for i in range(1500)))
    report = world.report()
    assert len(report["gpus"][0]["processes"]) == 1024
    assert any("476 more processes" in warning for warning in report["warnings"])


def test_processes_are_described_from_proc(world):
    world.fake(TWO + "proc gpu=0 pid=4001 mem=1\nproc gpu=0 pid=4002 mem=1\n")
    world.process(4001, "train) S 9 (x", ppid=4000, cgroup="/user.slice/job 7")
    world.process(4000, "sh", ppid=3999)
    world.process(3999, "sshd", ppid=1)
    seen, hidden = world.report()["gpus"][0]["processes"]
    assert seen["name"] == "train) S 9 (x" and seen["cgroup"] == "/user.slice/job 7"
    assert seen["ancestors"] == [4000, 3999] and seen["uid"] == os.getuid()
    assert hidden["name"] == "trainer"  # all that NVML tells
    assert not {"uid", "cgroup", "ancestors"} & hidden.keys()


def test_a_circle_of_parents_ends(world):
    world.fake(TWO + "proc gpu=0 pid=4001 mem=1\n")
    world.process(4001, "a", ppid=4002)
    world.process(4002, "b", ppid=4001)
    assert len(world.report()["gpus"][0]["processes"][0]["ancestors"]) == 64


@pytest.mark.parametrize("how", ["lost 1", "falling 1", "handle 1 999"])
def test_one_lost_gpu_leaves_the_others(world, how):
    world.fake(FOUR + f"link 0 2 PIX\nlink 1 3 PIX\n{how}\nproc gpu=2 pid=9 mem=1\n")
    report = world.report()
    healths = {gpu.get("uuid"): gpu["health"] for gpu in report["gpus"]}
    assert healths == {"GPU-0": "ok", "GPU-2": "ok", "GPU-3": "ok", None: "lost"}
    lost = report["gpus"][-1]
    assert lost["health_reason"] and "index" not in lost and "mem_used_bytes" not in lost
    assert "processes" not in lost
    assert topo_words(report)[0][1] == "PIX"
    assert holders(report["gpus"][1]) == [(9, MIB, "C")]


def test_a_lost_gpu_keeps_the_identity_that_the_kernel_knows(world):
    world.fake(FOUR + "lost 1\n")
    for bus in ("06", "07", "0a", "0b"):
        world.pci(f"pci0000:00/0000:{bus}:00.0", "0x10de")
    world.write(
        "/proc/driver/nvidia/gpus/0000:07:00.0/information",
        "Model: \t\t Tesla V100\nIRQ:   \t\t 1\nGPU UUID: \t GPU-one\nDevice Minor: \t 5\n",
    )
    report = world.report()
    assert [gpu["index"] for gpu in report["gpus"]] == [0, 1, 2, 3]
    lost = report["gpus"][1]
    assert lost["health"] == "lost" and lost["uuid"] == "GPU-one"
    assert lost["bus_id"] == "0000:07:00.0" and lost["minor"] == 5
    assert report["warnings"] == []


def test_a_gpu_on_the_bus_that_nvml_does_not_show(world):
    world.fake(TWO)
    for bus in ("06", "07", "0a"):
        world.pci(f"pci0000:00/0000:{bus}:00.0", "0x10de")
    report = world.report()
    assert len(report["gpus"]) == 2
    assert any("0000:0a:00.0" in warning for warning in report["warnings"])


def test_a_gpu_that_we_may_not_open_is_left_out(world):
    world.fake(TWO + "handle 0 4\n")
    report = world.report()
    assert [gpu["uuid"] for gpu in report["gpus"]] == ["GPU-1"]
    assert any("Insufficient Permissions" in warning for warning in report["warnings"])


@pytest.mark.parametrize(
    "line, reason",
    [
        ("remap 0 failure", "replace the GPU"),
        ("remap 0 pending", "reset the GPU"),
        ("remap 0 failure\necc 0 3", "replace the GPU"),  # the first reason stays
        ("ecc 0 3", "3 uncorrectable"),
        ("fail nvmlDeviceGetPowerUsage 16", "asks for a reset"),
    ],
)
def test_unhealthy_gpus_say_why(world, line, reason):
    world.fake(TWO + line + "\n")
    gpu = world.report()["gpus"][0]
    assert gpu["health"] == "unhealthy" and reason in gpu["health_reason"]


def optional_symbols():
    text = (FIXTURES.parent.parent / "probe" / "nvml.h").read_text()
    return ["nvml" + name for name in re.findall(r"X\((\w+), OPTIONAL", text)]


@pytest.mark.parametrize("symbol", optional_symbols())
def test_any_optional_function_may_be_missing(world, symbol):
    world.fake("dgx1v.nvml")
    world.fake_write((FIXTURES / "dgx1v.nvml").read_text() + f"hide {symbol}\n")
    report = world.report()
    assert report["source"] == "nvml" and len(report["gpus"]) == 8
    assert all(gpu["health"] == "ok" for gpu in report["gpus"])
    if "Compute" in symbol or "Graphics" in symbol:
        assert all(gpu["processes"] == [] for gpu in report["gpus"])
    if "Link" not in symbol:
        assert topo_words(report) == rows(F1) or "Topology" in symbol


@pytest.mark.parametrize("library", ["nvidia-ml-r470", "nvidia-ml-r418"])
def test_older_drivers_that_truly_lack_symbols(world, library):
    world.fake("r470.nvml", library)
    report = world.report()
    assert report["driver"] == "470.256.02" and report["warnings"] == []
    gpu = report["gpus"][0]
    assert holders(gpu) == [(4001, 1024 * MIB, "C"), (4002, 64 * MIB, "G")]
    assert gpu["mem_used_bytes"] == 300 * MIB  # the old call counts the driver's own share
    assert topo_words(report)[0][1] == "NV1" and gpu["cpus"] == "0-11,24-35"


def test_unified_memory_is_unknown(world):
    world.fake("gpu uuid=GPU-0 bus=0000:01:00.0 name=GB10\n")
    gpu = world.report()["gpus"][0]
    assert "mem_total_bytes" not in gpu and "mem_used_bytes" not in gpu


MIG = (
    FOUR
    + "mig gpu=1 slot=0 uuid=MIG-a mem=4864 name=A100 MIG 1g.5gb\n"
    + "mig gpu=1 slot=5 uuid=MIG-b mem=9856 name=A100 MIG 2g.10gb\n"
    + "migmode 2\nlink 0 3 NV2\n"
    + "proc gpu=1 slot=5 pid=9 mem=3\n"
)


def test_mig_instances_are_gpus_of_their_own(world):
    world.fake(MIG)
    report = world.report()
    assert [gpu["uuid"] for gpu in report["gpus"]] == [
        "GPU-0", "GPU-1", "MIG-a", "MIG-b", "GPU-2", "GPU-3",
    ]  # fmt: skip
    whole, first, second, empty = report["gpus"][1:5]
    assert whole["mig_enabled"] and empty["mig_enabled"] and "mig_enabled" not in first
    assert first["parent"] == second["parent"] == "GPU-1"
    assert second["mem_total_bytes"] == 9856 * MIB and second["name"] == "A100 MIG 2g.10gb"
    assert "index" not in first and first["minor"] == 1 and first["bus_id"] == whole["bus_id"]
    assert [gpu["index"] for gpu in report["gpus"] if "index" in gpu] == [0, 1, 2, 3]
    assert first["processes"] == [] and holders(second) == [(9, 3 * MIB, "C")]
    assert topo_words(report)[0][5] == "NV2" and topo_words(report)[2][3] == "?"


def test_changes_are_seen_at_the_next_report(world):
    world.fake(TWO)
    with world.running() as probe:
        assert len(next_report(probe)["gpus"]) == 2
        world.fake_write(FOUR + "lost 1\nproc gpu=0 pid=5 mem=9\n")
        report = next_report(probe, ask=True)
        assert [gpu["health"] for gpu in report["gpus"]] == ["ok", "ok", "ok", "lost"]
        assert holders(report["gpus"][0]) == [(5, 9 * MIB, "C")]
        world.fake_write(TWO)
        report = next_report(probe, ask=True)
        assert [gpu["health"] for gpu in report["gpus"]] == ["ok", "ok"]


# An initialisation that fails shows in the report: that is how these see whether there was one.
NO_INIT = "fail nvmlInit_v2 18\n"


def test_nvml_is_initialised_again_when_it_says_so(world):
    world.fake(TWO)
    with world.running() as probe:
        next_report(probe)
        world.fake_write(TWO + "fail nvmlDeviceGetPowerUsage 1\n")
        assert "power_mw" not in next_report(probe, ask=True)["gpus"][0]
        world.fake_write(TWO + NO_INIT)
        assert next_report(probe, ask=True)["source"] == "none"
        world.fake_write(TWO)
        assert next_report(probe, ask=True)["gpus"][0]["power_mw"] == 43210


def test_nvml_is_initialised_again_at_once_when_it_cannot_count(world):
    world.fake(TWO)
    with world.running() as probe:
        next_report(probe)
        world.fake_write(TWO + "generation 2\n")
        report = next_report(probe, ask=True)
        assert report["source"] == "nvml" and len(report["gpus"]) == 2


def test_nvml_is_initialised_again_when_the_bus_changes(world):
    world.fake(TWO)
    with world.running() as probe:
        next_report(probe)
        world.fake_write(TWO + NO_INIT)
        assert next_report(probe, ask=True)["source"] == "nvml"  # no reason to
        world.pci("pci0000:00/0000:0a:00.0", "0x10de")
        assert next_report(probe, ask=True)["source"] == "none"


def test_a_lost_gpu_is_no_reason_to_initialise_at_every_report(world):
    world.fake(TWO)
    with world.running() as probe:
        next_report(probe)
        world.fake_write(TWO + NO_INIT + "lost 1\n")
        for _ in range(3):
            report = next_report(probe, ask=True)
            assert report["source"] == "nvml" and report["gpus"][1]["health"] == "lost"


def test_a_driver_upgraded_underneath_recovers_by_itself(world):
    world.fake(TWO + "fail nvmlInit_v2 18\n")
    with world.running() as probe:
        report = next_report(probe)
        assert report["source"] == "none"
        assert any("version mismatch" in warning for warning in report["warnings"])
        world.fake_write(TWO)
        assert next_report(probe, ask=True)["source"] == "nvml"


def test_a_hanging_driver_hangs_the_probe_only(world):
    world.fake(TWO)
    with world.running() as probe:
        next_report(probe)
        world.fake_write(TWO + "delay_ms nvmlDeviceGetUUID 3600000\n")
        probe.stdin.write(b"\n")
        assert select.select([probe.stdout], [], [], 0.3)[0] == []
        probe.kill()
        assert probe.wait(PATIENCE) == -9
    world.fake_write(TWO)
    assert len(world.report()["gpus"]) == 2


def test_a_library_that_is_no_nvml(world):
    libc = next(pathlib.Path("/lib").glob("*/libc.so.6"))
    report = world.report(TGPU_NVML_LIB=str(libc))
    assert report["source"] == "none"
    assert any("lacks nvmlInit_v2" in warning for warning in report["warnings"])


# nvidia-smi

SMI_ROWS = {
    "gpu": """\
0, GPU-a, 00000000:07:00.0, 16160, 300, 7, 35, 43.21, 470.1, Tesla V100, the good one
1, GPU-b, 00000000:0A:00.0, [N/A], [N/A], [Not Supported], ERR!, [Unknown Error], 470.1, GB10
3, GPU-d, 00000000:0C:00.0, 16160, 0, 0, 30, 40, 470.1, Tesla V100
""",
    "apps": """\
GPU-a, 4001, 1024, /opt/x, y/python
GPU-a, 4002, [N/A], [Insufficient Permissions]
GPU-z, 4003, 5, ghost
""",
    "mig": "GPU-a, [N/A]\nGPU-d, Enabled\n",
    "remap": "GPU-a, 0, 1\nGPU-b, [N/A], [N/A]\n",
    "topo": """\
\tGPU0\tGPU1\tmlx5_0\tGPU3\tCPU Affinity
GPU0\t X \tNV2\tPIX\tSYS\t0-3
GPU1\tNV2\t X \tPIX\tPHB\t0-3
mlx5_0\tPIX\tPIX\t X \tSYS
GPU3\tSYS\tPHB\tSYS\t X \t0-3
""",
}


def smi_script(rows_by_query):
    cases = {
        "*--query-gpu=index*": "gpu",
        "*--query-compute-apps*": "apps",
        "*mig.mode*": "mig",
        "*remapped_rows*": "remap",
        "*topo*": "topo",
    }
    body = ['test "$LC_ALL" = C || exit 99', 'case "$*" in']
    for pattern, key in cases.items():
        body.append(f"{pattern}) cat <<'END'\n{rows_by_query.get(key, '')}END\n;;")
    body.append("*) exit 2;;\nesac")
    return "\n".join(body)


def test_nvidia_smi_tells_what_it_can(world):
    world.smi(smi_script(SMI_ROWS))
    for bus in ("07", "0a", "0b", "0c"):
        world.pci(f"pci0000:00/0000:{bus}:00.0", "0x10de", numa_node="1", local_cpulist="0-3")
    report = world.report()
    assert report["source"] == "nvidia-smi" and report["driver"] == "470.1"
    a, b, d = report["gpus"]
    assert {gpu["vendor"] for gpu in report["gpus"]} == {"nvidia"}
    assert a["name"] == "Tesla V100, the good one" and a["bus_id"] == "0000:07:00.0"
    assert (a["mem_total_bytes"], a["mem_used_bytes"]) == (16160 * MIB, 300 * MIB)
    assert (a["power_mw"], a["temperature_c"], a["utilization_percent"]) == (43210, 35, 7)
    assert not {"mem_total_bytes", "mem_used_bytes", "utilization_percent", "temperature_c",
                "power_mw"} & b.keys()  # fmt: skip
    assert [gpu["index"] for gpu in report["gpus"]] == [0, 1, 3]  # the hole stays a hole
    assert holders(a) == [(4001, 1024 * MIB, "C"), (4002, None, "C")] and d["processes"] == []
    assert a["processes"][0]["name"] == "python" and "name" not in a["processes"][1]
    assert a["health"] == "unhealthy" and b["health"] == "ok"
    assert d["mig_enabled"] and a["numa"] == 1 and a["cpus"] == "0-3"
    assert topo_words(report) == [["X", "NV2", "SYS"], ["NV2", "X", "PHB"], ["SYS", "PHB", "X"]]
    assert pcie_words(report)[0][1] == "PHB"  # under the NVLinks, from the PCI bus
    assert any("0000:0b:00.0" in warning for warning in report["warnings"])


def test_nvidia_smi_optional_queries_may_fail(world):
    world.smi("case \"$*\" in *query-gpu=index*) echo '" + SMI_ROWS["gpu"].splitlines()[0]
              + "';; *) echo 'Field \"x\" is not a valid field to query.'; exit 2;; esac")
    report = world.report()
    assert report["gpus"][0]["uuid"] == "GPU-a"
    assert "processes" not in report["gpus"][0]


def test_nvidia_smi_rows_come_with_a_failure(world):
    text = "Unable to determine the device handle for GPU1: 0000:0A:00.0: Unknown Error\n"
    world.smi(smi_script({"gpu": text + SMI_ROWS["gpu"].splitlines()[0] + "\n"}) + "\nexit 15")
    assert [gpu["uuid"] for gpu in world.report()["gpus"]] == ["GPU-a"]


def test_nvidia_smi_without_a_driver_falls_through(world):
    world.smi("echo 'NVIDIA-SMI has failed because it could not talk to the driver.'; exit 9")
    report = world.report()
    assert report["source"] == "none"
    assert any("exit code 9" in warning for warning in report["warnings"])


def test_nvidia_smi_without_gpus_is_no_failure(world):
    world.smi("echo 'No devices were found'; exit 6")
    report = world.report()
    assert report["source"] == "none" and report["warnings"] == []


def test_nvidia_smi_that_hangs_is_killed(world):
    pid_file = world.tmp / "pid"
    world.smi(f"echo $$ > {pid_file}; exec sleep 3600")
    report = world.report()
    assert report["source"] == "none"
    assert any("did not answer in time" in warning for warning in report["warnings"])
    assert not pathlib.Path(f"/proc/{pid_file.read_text().strip()}").exists()


def test_nvidia_smi_that_prints_without_end_is_stopped(world):
    world.smi("exec yes")
    report = world.report()
    assert any("File too large" in warning for warning in report["warnings"])


# /proc and /sys


def test_nvidia_by_the_kernel_module_alone(world):
    for bus, uuid, minor in (("07", "GPU-a", 1), ("0a", "GPU-????????-????", 0)):
        world.pci(f"pci0000:00/0000:{bus}:00.0", "0x10de", numa_node="0", local_cpulist="0-7")
        world.write(
            f"/proc/driver/nvidia/gpus/0000:{bus}:00.0/information",
            f"Model: \t\t NVIDIA A100\nGPU UUID: \t {uuid}\nDevice Minor: \t {minor}\n",
        )
    world.write("/proc/driver/nvidia/version",
                "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Tue Apr\n")
    report = world.report()
    assert report["source"] == "sysfs" and report["driver"] == "550.163.01"
    a, b = report["gpus"]
    assert (a["uuid"], a["minor"], a["index"], a["numa"]) == ("GPU-a", 1, 0, 0)
    assert a["name"] == "NVIDIA A100" and "mem_used_bytes" not in a and "processes" not in a
    assert b["health"] == "unhealthy" and "uuid" not in b
    assert pcie_words(report)[0][1] == "PHB"


def kfd_node(world, node, gpu_id, properties, links=()):
    base = f"/sys/class/kfd/kfd/topology/nodes/{node}"
    world.write(f"{base}/gpu_id", f"{gpu_id}\n")
    world.write(f"{base}/name", "aldebaran\n")
    world.write(f"{base}/properties", "".join(f"{k} {v}\n" for k, v in properties.items()))
    for i, (kind, to) in enumerate(links):
        world.write(f"{base}/io_links/{i}/properties",
                    f"type {kind}\nnode_from {node}\nnode_to {to}\nweight 15\n")


def test_amd_by_kfd(world):
    kfd_node(world, 0, 0, {"cpu_cores_count": 64, "location_id": 0})
    for node, bus, links in ((1, 0xC1, [(2, 0), (11, 2), (11, 3)]), (2, 0x83, [(11, 1), (2, 3)]),
                             (3, 0xC5, [(11, 1)]), (10, 0xC9, [(11, 1)])):  # fmt: skip
        kfd_node(world, node, 5000 + node,
                 {"location_id": bus << 8, "domain": 0, "unique_id": 0xABC0 + node}, links)
        world.pci(f"pci0000:{bus:02x}/0000:{bus:02x}:00.0", "0x1002",
                  mem_info_vram_total=64 << 30, mem_info_vram_used=1 << 30, gpu_busy_percent=12,
                  numa_node=0 if bus == 0x83 else 1, local_cpulist="0-31")  # fmt: skip
    world.write("/sys/devices/pci0000:c1/0000:c1:00.0/hwmon/hwmon3/temp1_input", "41000\n")
    world.write("/sys/devices/pci0000:c1/0000:c1:00.0/hwmon/hwmon3/power1_average", "90000000\n")
    world.write("/sys/class/kfd/kfd/proc/4001/vram_5001", f"{2 << 30}\n")
    world.write("/sys/class/kfd/kfd/proc/4001/vram_5002", "0\n")
    world.process(4001, "python")
    report = world.report()
    assert report["source"] == "sysfs" and len(report["gpus"]) == 4
    first = report["gpus"][0]  # the order of nodes, 10 after 3, not that of the bus
    assert [gpu["bus_id"][5:7] for gpu in report["gpus"]] == ["c1", "83", "c5", "c9"]
    assert first["uuid"] == "GPU-000000000000abc1" and first["name"] == "AMD aldebaran"
    assert first["mem_total_bytes"] == 64 << 30 and first["utilization_percent"] == 12
    assert first["temperature_c"] == 41 and first["power_mw"] == 90000
    assert holders(first) == [(4001, 2 << 30, "C")] and first["processes"][0]["name"] == "python"
    assert report["gpus"][1]["processes"] == []
    words = topo_words(report)
    assert words[0][1] == "NV1" and words[0][2] == "NV1" and words[1][2] == "SYS"
    assert words[0][3] == "NODE"  # listed by one end only


def test_intel_discrete_cards(world):
    world.pci("pci0000:00/0000:00:02.0", "0x8086", "0x030000", device="0x4680")
    world.pci("pci0000:16/0000:16:01.0/0000:17:00.0", "0x8086", "0x038000", device="0x56c0")
    report = world.report()
    assert [gpu["uuid"] for gpu in report["gpus"]] == ["INTEL-0000:17:00.0"]
    assert report["gpus"][0]["vendor"] == "intel" and report["gpus"][0]["name"] == "Intel GPU 0x56c0"
    assert "mem_total_bytes" not in report["gpus"][0] and "processes" not in report["gpus"][0]


def test_classes_from_the_places_on_the_bus(world):
    up = "pci0000:00/0000:00:01.0/0000:01:00.0"  # root port, upstream port of a switch
    ways = [
        f"{up}/0000:02:00.0/0000:03:00.0",
        f"{up}/0000:02:01.0/0000:04:00.0",
        f"{up}/0000:02:02.0/0000:05:00.0/0000:06:00.0/0000:07:00.0",  # a second switch below
        "pci0000:00/0000:00:02.0/0000:08:00.0",
        "pci0000:40/0000:40:01.0/0000:41:00.0",
        "pci0000:80/0000:80:01.0/0000:81:00.0",
    ]
    for i, way in enumerate(ways):
        world.pci(way, "0x8086", "0x038000", numa_node=1 if i == 5 else 0)
    assert pcie_words(world.report()) == rows("""
        X    PIX  PXB  PHB  NODE SYS
        PIX  X    PXB  PHB  NODE SYS
        PXB  PXB  X    PHB  NODE SYS
        PHB  PHB  PHB  X    NODE SYS
        NODE NODE NODE NODE X    SYS
        SYS  SYS  SYS  SYS  SYS  X
        """)
