# SPDX-License-Identifier: MIT
"""A job that writes more than it may: the log stays small, its end is there, and the disk is not filled."""
import os
import time

import pytest

from harness import PATIENCE

LINES = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); printf '%04d %01000d\\n' $i 0; done"


def on_disk(path):
    return path.stat().st_blocks * 512


def begins_with_a_hole(path):
    """Whatever the file system keeps in reserve behind the end."""
    with path.open("rb") as file:
        return path.stat().st_size > 0 and os.lseek(file.fileno(), 0, os.SEEK_DATA) > 0


@pytest.mark.sanitize
@pytest.mark.parametrize("config, words", [("", ["--log-max", "100K"]), ("log_max = 100K\n", [])])
def test_only_the_end_of_a_log_is_kept(tgpu_factory, config, words):
    tgpu = tgpu_factory(gpus="simulated:1", config=config)
    job = tgpu.submit(*words, "--", "sh", "-c", LINES)
    assert tgpu.wait(job)["state"] == "finished"
    path = tgpu.log_path(job)
    assert path.stat().st_size == 300 * 1006 and on_disk(path) <= 110 * 1024
    shown = tgpu.cli("logs", str(job)).stdout
    assert "\0" not in shown and "cut off" in shown.splitlines()[0]
    assert shown.splitlines()[-1].startswith("0300 ") and 40 < len(shown.splitlines()) < 120


def test_a_log_is_cut_while_the_job_runs_and_a_reader_follows(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--log-max", "64K", "--", "sh", "-c", f"{LINES}; while :; do sleep 0.01; {LINES}; done")
    deadline = time.monotonic() + PATIENCE
    while not begins_with_a_hole(tgpu.log_path(job)):  # before, a reader who keeps up would see no cut
        assert time.monotonic() < deadline
    tgpu.wait_for_log(job, "cut off")


def test_a_log_that_is_no_file_is_left_alone(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--log-max", "64K", "--output", "/dev/null", "--", "sh", "-c", LINES)
    assert tgpu.wait(job)["state"] == "finished"
