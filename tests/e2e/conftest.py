# SPDX-License-Identifier: MIT
"""Fixtures: daemons of a test's own, and the jobs that write evidence."""
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import BUILD, Tgpu  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitize: also run against the build with sanitizers")


@pytest.fixture
def tgpu_factory():
    """tgpu_factory(gpus="simulated:8", config="", daemon_env={}) -> Tgpu; stopped and checked at the end."""
    made = []

    def make(**options):
        made.append(Tgpu(**options))
        return made[-1]

    yield make
    wrong = [problem for tgpu in made for problem in tgpu.close()]
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def bystander():
    """A live process that belongs to no job."""
    process = subprocess.Popen(["sleep", "1000"])
    yield process.pid
    process.kill()
    process.wait()


@pytest.fixture
def nvml_tgpu_factory(tgpu_factory, tmp_path, bystander):
    """A daemon on the fake NVML; `extra` lines may name the {pid} of a process that is no job's."""

    def make(machine, extra="", **options):
        text = pathlib.Path(machine).read_text() + extra.format(pid=bystander)
        file = tmp_path / "machine.nvml"
        file.write_text(text)
        return tgpu_factory(fake_nvml=file, **options)

    return make


@pytest.fixture
def evidence():
    """The program tests/helpers/evidence.c."""
    return BUILD / "tests" / "helpers" / "evidence"
