# SPDX-License-Identifier: MIT
"""What tgpu show and tgpu events tell of a job: all that it asked for, and what happened, in words."""
import os
import pwd
import re


def shown(tgpu, job):
    """The lines of tgpu show above the history, by their names."""
    lines = tgpu.cli("show", str(job)).stdout.split("history")[0].splitlines()[1:]
    return {line[:12].strip(): line[13:] for line in lines}


def history(tgpu, job):
    """The history without its times."""
    lines = tgpu.cli("show", str(job)).stdout.split("history\n")[1].splitlines()
    return [re.sub(r"^  ([\d-]+ )?[\d:]+  ", "", line) for line in lines]


def test_all_that_was_asked_for_is_shown(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    first = tgpu.submit("--hold", "--", "true")
    job = tgpu.submit("--name", "all", "--after", f"afterany:{first}", "--cancel-if-never", "--gpus", "1", "--gpu-type", "simulated", "--gpu-mem", "1G",
                      "--mem", "2G", "--time", "1h30m", "--begin", "2100-11-30 09:00", "--preemptible", "--no-requeue", "--retries", "3",
                      "--unique", "--signal", "USR1", "--grace", "2m", "--log-max", "1M", "--notify", "end,fail", "--array", "4-9%2",
                      "--", "true")
    want = {"GPUs asked": "1", "GPU type": "simulated", "GPU memory": "1G", "memory": "2G", "time limit": "1h30m",
            "not before": "2100-11-30 09:00", "after": f"afterany:{first}", "if never": "cancel it", "preemptible": "yes",
            "requeue": "no", "retries": "3, 0 used", "unique": "yes", "signal": "USR1", "grace": "2m", "log max": "1M", "notify": "end,fail",
            "array": f"4-9%2, index 6; its first task is job {job}"}
    assert want.items() <= shown(tgpu, job + 2).items()


def test_what_every_job_gets_is_not_shown(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--hold", "--", "true")
    assert set(shown(tgpu, job)) == {"state", "waits for", "user", "command", "directory", "priority", "GPUs asked", "CPUs",
                                     "submitted", "output"}


def test_retries_are_counted(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--retries", "1", "--", "false")
    tgpu.wait(job)
    assert shown(tgpu, job)["retries"] == "1, 1 used"


def test_of_simulated_gpus_no_numbers_are_promised(tgpu_factory):
    """They tell nothing, so there are no numbers of which a part could be missing."""
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--gpus", "1", "--", "true")
    tgpu.wait(job)
    assert "numbers" not in shown(tgpu, job)


def test_what_happened_is_told_in_words(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--hold", "--", "sleep", "1000")
    done = tgpu.cli("update", str(job), "--priority", "3", "--begin", "2100-11-30 09:00", "--preemptible", "--mem", "1G", "--time", "1h")
    assert done.returncode == 0
    tgpu.cli("update", str(job), "--begin", "now", "--time", "100ms", "--grace", "0")
    tgpu.cli("update", str(job), "--time", "unlimited")
    tgpu.cli("update", str(job), "--time", "100ms")
    tgpu.cli("release", str(job))
    tgpu.wait(job)
    told = history(tgpu, job)
    (first, _, third, _) = [line for line in told if line.startswith("update")]
    changes = set(first.removeprefix("update: ").split(", "))
    assert changes == {"priority 3", "begin 2100-11-30 09:00", "preemptible yes", "mem 1G", "time 1h"}
    assert third == "update: time unlimited"
    assert told[-1] == "fail: time limit"
    events = tgpu.cli("events", "--job", str(job)).stdout
    assert f"job {job}  {first}\n" in events and f"job {job}  fail: time limit\n" in events
    missing = tgpu.submit("--", "/no/such/program")
    tgpu.wait(missing)
    assert history(tgpu, missing)[-1].startswith("fail: could not start: there is no program /no/such/program")


def test_why_of_a_job_that_does_not_wait_says_what_it_does(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    runs = tgpu.submit("--gpus", "1", "--", "sleep", "1000")
    failed = tgpu.submit("--", "cmd=exit 3")
    finished = tgpu.submit("--", "true")
    missing = tgpu.submit("--", "/no/such/program")
    cancelled = tgpu.submit("--hold", "--", "true")
    tgpu.cli("cancel", str(cancelled))
    tgpu.wait_for_state(runs, "running")
    for job in (failed, finished, missing, cancelled):
        tgpu.wait(job)

    def why(job):
        return tgpu.cli("why", str(job)).stdout

    assert re.fullmatch(rf"job {runs} runs since [\d:]+ on gpu0 \(simulated\)\n", why(runs))
    assert why(failed) == f"job {failed} has failed: exit code 3\n"
    assert why(finished) == f"job {finished} has finished\n"
    assert why(missing).startswith(f"job {missing} has failed: could not start; there is no program /no/such/program")
    assert why(cancelled) == f"job {cancelled} was cancelled by {pwd.getpwuid(os.geteuid()).pw_name}\n"
