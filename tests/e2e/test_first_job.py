# SPDX-License-Identifier: MIT
"""The first job: the mission's lines word for word, and what a job gets to see."""
import json
import os
import stat

import pytest


def environment_of(tgpu, job):
    """NAME=value lines that the job printed with `env -0`."""
    text = tgpu.log_of(job)
    return dict(item.split("=", 1) for item in text.split("\0") if "=" in item)


def test_the_missions_three_lines(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:8")
    (tgpu.dir / "train.py").write_text("import os; print('gpus', os.environ['CUDA_VISIBLE_DEVICES'])\n")
    done = tgpu.cli("submit", "--gpus", "2", "--priority", "5", "--", "cmd=python3 train.py",
                    cwd=tgpu.dir)
    assert done.returncode == 0, done.stderr
    assert "1" in done.stdout
    assert tgpu.wait(1)["exit_code"] == 0
    gpus = tgpu.log_of(1).split()[1].split(",")
    assert len(gpus) == 2 and len(set(gpus)) == 2
    blocker = tgpu.submit("--gpus", "8", "--", "sleep", "1000")
    listing = tgpu.cli("list")
    assert listing.returncode == 0 and str(blocker) in listing.stdout
    cancelled = tgpu.cli("cancel", str(blocker))
    assert cancelled.returncode == 0, cancelled.stderr
    assert tgpu.wait(blocker)["state"] == "cancelled"


def test_words_and_shell_line_run_alike(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    words = tgpu.submit("--gpus", "1", "--", "sh", "-c", "exit 7")
    line = tgpu.submit("--gpus", "1", "--", "cmd=false || exit 7")
    assert tgpu.wait(words)["exit_code"] == 7
    assert tgpu.wait(line)["exit_code"] == 7
    assert tgpu.job(line)["state"] == "failed" and tgpu.job(line)["cause"] == "exit"


def test_yaml_job_file(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    (tgpu.dir / "train.py").write_text("print('trained')\n")
    (tgpu.dir / "job.yaml").write_text("command: python3 train.py\nnum_gpus: 2\npriority: 5\n")
    done = tgpu.cli("submit", "--parsable", "job.yaml", cwd=tgpu.dir)
    assert done.returncode == 0, done.stderr
    job = tgpu.wait(int(done.stdout))
    assert (job["num_gpus"], job["priority"], job["state"]) == (2, 5, "finished")
    assert tgpu.log_of(job["id"]) == "trained\n"


def test_script_with_directives_is_a_snapshot(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    blocker = tgpu.submit("--gpus", "4", "--", "sleep", "1000")
    script = tgpu.dir / "job.sh"
    script.write_text("#!/bin/sh\n#TGPU --gpus 3\n#TGPU --name first\n#SBATCH --time=10\n"
                      "echo one $1 $CUDA_VISIBLE_DEVICES\n")
    done = tgpu.cli("submit", "--parsable", "--priority", "9", "job.sh", "word", cwd=tgpu.dir)
    assert done.returncode == 0, done.stderr
    job = int(done.stdout)
    script.write_text("#!/bin/sh\necho two\n")
    tgpu.cli("cancel", "--now", str(blocker))
    shown = tgpu.wait(job)
    assert (shown["name"], shown["num_gpus"], shown["priority"]) == ("first", 3, 9)
    assert shown["time_limit_ms"] == 600_000
    assert tgpu.log_of(job).startswith("one word ")


def test_environment_is_the_submitters_and_the_gpus_are_ours(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:8", daemon_env={"DAEMON_SECRET": "x"})
    job = tgpu.submit("--gpus", "2", "--cpus", "3", "--", "env", "-0",
                      env={"MINE": "a\nb", "CUDA_VISIBLE_DEVICES": "7", "TGPU_JOB_ID": "99"})
    tgpu.wait(job)
    seen = environment_of(tgpu, job)
    assert seen["MINE"] == "a\nb"
    assert "DAEMON_SECRET" not in seen
    assert seen["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert seen["CUDA_VISIBLE_DEVICES"] == seen["TGPU_GPUS"] == seen["NVIDIA_VISIBLE_DEVICES"]
    assert seen["TGPU_JOB_ID"] == str(job)
    assert seen["OMP_NUM_THREADS"] == "3"
    assert seen["MASTER_ADDR"] == "127.0.0.1" and 20000 <= int(seen["MASTER_PORT"]) < 30000
    assert seen["TGPU_RESTART_COUNT"] == "0"


def test_no_gpus_is_an_empty_list_not_an_absent_one(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:8")
    job = tgpu.submit("--", "env", "-0", env={"CUDA_VISIBLE_DEVICES": "0,1"})
    assert tgpu.wait(job)["exit_code"] == 0
    assert environment_of(tgpu, job)["CUDA_VISIBLE_DEVICES"] == ""


def test_a_machine_without_gpus_runs_cpu_jobs(tgpu_factory):
    tgpu = tgpu_factory(gpus="none")
    assert tgpu.wait(tgpu.submit("--", "true"))["state"] == "finished"
    refused = tgpu.cli("submit", "--gpus", "1", "--", "true")
    assert refused.returncode == 2 and "largest node has 0" in refused.stderr


def test_run_follows_and_returns_the_jobs_code(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    done = tgpu.cli("run", "--gpus", "1", "--", "sh", "-c", "echo out; echo err >&2; exit 5")
    assert done.returncode == 5
    assert "out" in done.stdout


def test_time_limit_ends_the_job(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--time", "200ms", "--grace", "1s", "--", "sleep", "1000")
    ended = tgpu.wait(job)
    assert (ended["state"], ended["cause"]) == ("failed", "timeout")
    assert tgpu.cli("wait", str(job)).returncode == 124


def test_cancel_gives_the_grace_and_then_kills(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    gentle = tgpu.submit("--", "sh", "-c", "trap 'echo saved; exit 0' TERM; echo up; "
                         "while :; do sleep 0.05; done")
    stubborn = tgpu.submit("--grace", "300ms", "--", "sh", "-c",
                           "trap '' TERM; echo up; while :; do sleep 0.05; done")
    tgpu.wait_for_log(gentle, "up")
    tgpu.wait_for_log(stubborn, "up")
    assert tgpu.cli("cancel", f"{gentle},{stubborn}").returncode == 0
    assert tgpu.wait(gentle)["state"] == "cancelled"
    assert "saved" in tgpu.log_of(gentle)
    assert tgpu.wait(stubborn)["state"] == "cancelled"


def test_what_cannot_start_says_so(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    missing = tgpu.wait(tgpu.submit("--", "/no/such/program"))
    assert (missing["state"], missing["cause"]) == ("failed", "launch")
    assert "/no/such/program" in missing["message"]
    gone = tgpu.dir / "gone"
    gone.mkdir()
    blocker = tgpu.submit("--gpus", "2", "--", "sleep", "1000")
    job = tgpu.submit("--gpus", "1", "--chdir", str(gone), "--", "true")
    gone.rmdir()
    tgpu.cli("cancel", "--now", str(blocker))
    ended = tgpu.wait(job)
    assert ended["cause"] == "launch" and "gone" in ended["message"]


def test_secrets_are_private_on_disk(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--", "true", env={"TOKEN": "s3cret"})
    tgpu.wait(job)
    for path in tgpu.state.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            assert not mode & 0o077, path
        elif stat.S_ISDIR(mode) and os.geteuid() == path.lstat().st_uid:
            assert not mode & 0o077, path


def test_every_listing_speaks_json(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    job = tgpu.submit("--gpus", "1", "--", "true")
    tgpu.wait(job)
    for words in (["list", "--all"], ["show", str(job)], ["gpus"], ["why", str(job)]):
        done = tgpu.cli(*words, "--json")
        assert done.returncode == 0, (words, done.stderr)
        json.loads(done.stdout)


@pytest.mark.sanitize
def test_idempotency_key_makes_one_job(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    body = {"command": ["true"], "cwd": "/", "env": {}}
    first = tgpu.api("POST", "/v1/jobs", body, headers={"Idempotency-Key": "k"})
    second = tgpu.api("POST", "/v1/jobs", body, headers={"Idempotency-Key": "k"})
    assert (first[0], second[0]) == (201, 200)
    assert first[1]["id"] == second[1]["id"]
