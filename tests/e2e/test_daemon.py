# SPDX-License-Identifier: MIT
"""The daemon's own life: starting beside others, being told to stop at awkward moments."""
import os
import signal

import pytest

from harness import PATIENCE

pytestmark = pytest.mark.sanitize


def catches(pid, number):
    """Does this process handle the signal by now?"""
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        caught = next(line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return int(caught, 16) & 1 << (number - 1)


@pytest.fixture
def silent_probe(tmp_path):
    """A directory of programs whose probe says nothing, as one that hangs in the driver."""
    probe = tmp_path / "tgpu-probe"
    probe.write_text("#!/bin/sh\nexec cat\n")
    probe.chmod(0o755)
    return tmp_path


def test_it_can_be_stopped_while_it_waits_for_the_first_look(tgpu_factory, silent_probe):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.stop()
    process, ready = tgpu.popen_daemon(TGPU_LIBEXEC_DIR=str(silent_probe))
    while not catches(process.pid, signal.SIGTERM):
        assert process.poll() is None, tgpu.daemon_log()
        os.sched_yield()
    process.terminate()
    try:
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
    with os.fdopen(ready) as lines:
        assert lines.read() == "", "it was told to end, not to be ready"
