# SPDX-License-Identifier: MIT
"""examples/tiny_scheduler.c: what the README tells people to read first has to work."""
import re
import subprocess

from harness import BUILD

TINY = BUILD / "examples" / "tiny_scheduler"


def run(*arguments, jobs=""):
    return subprocess.run([TINY, *arguments], input=jobs, capture_output=True, text=True, timeout=60)


def starts(output):
    """[(job, GPUs)] in order of start."""
    found = re.findall(r"job (\d+) starts on (no GPU|[\d,]+)", output)
    return [(int(job), set() if gpus == "no GPU" else {int(gpu) for gpu in gpus.split(",")}) for job, gpus in found]


def test_the_demo_ends_with_every_job_over():
    result = run()
    assert result.returncode == 0, result.stderr
    assert sorted(job for job, _ in starts(result.stdout)) == [1, 2, 3, 4, 5, 6]
    assert result.stdout.count(" finished (exit)") == 6
    order = [job for job, _ in starts(result.stdout)]
    assert order[0] == 5, "the most important one goes first"
    assert order.index(4) < order.index(3), "the short one passes"
    assert "all of them, and more important: 0,1,2,3,4,5,6,7\n" in result.stdout
    assert "no GPU needed: ''\n" in result.stdout


def test_jobs_see_their_own_gpus_and_nobody_elses(tmp_path):
    jobs = "".join(f"submit {1 + i % 3} 0 60 echo $CUDA_VISIBLE_DEVICES > {tmp_path}/{i + 1}\n" for i in range(12))
    result = run("4", "-", jobs=jobs)
    assert result.returncode == 0, result.stderr
    held = {}
    for line in result.stdout.splitlines():
        if started := starts(line):
            job, gpus = started[0]
            assert not any(gpus & other for other in held.values()), line
            held[job] = gpus
            assert len(gpus) == 1 + (job - 1) % 3
        elif ended := re.search(r"job (\d+) finished", line):
            gpus = held.pop(int(ended[1]))
            assert (tmp_path / ended[1]).read_text() == ",".join(map(str, sorted(gpus))) + "\n"
    assert not held


def test_limits_failures_and_refusals():
    jobs = "submit 1 0 1 sleep 100 & sleep 100\nsubmit 3 0 1 true\nsubmit 1 0 0 exit 3\n"
    result = run("2", "-", jobs=jobs)
    assert result.returncode == 0
    assert "job 1 failed (timeout)" in result.stdout
    assert "job 2 failed (exit)" in result.stdout
    assert "refused: num_gpus: the job asks for 3 GPUs but the largest node has 2" in result.stdout


def test_a_line_that_is_no_job_and_a_number_that_is_none():
    result = run("2", "-", jobs="sumbit 1 0 1 true\n")
    assert result.returncode == 1 and "sumbit" in result.stderr
    assert run("x").returncode == 1
