# SPDX-License-Identifier: MIT
"""300 concurrent submitters, 10,000 jobs: all run once, in order of priority, never two on a GPU.

The jobs write the evidence themselves (tests/helpers/evidence.c); the daemon's word is not taken for it.
"""
import collections
import os
import random
import threading

SUBMITTERS = 300
JOBS = int(os.environ.get("TGPU_LOAD_JOBS", "10000"))
SLACK = 64  # starts that may overtake each other: 8 GPUs, and processes that race to their first write


def submit_all(tgpu, evidence, directory, seed):
    """Each submitter sends its share; returns {id: priority}."""
    submitted, failures, lock = {}, [], threading.Lock()

    def submitter(number):
        chance = random.Random(seed * 1000 + number)
        for _ in range(number, JOBS, SUBMITTERS):
            priority = chance.randrange(-5, 6)
            status, job = tgpu.api("POST", "/v1/jobs", {
                "command": [str(evidence), str(directory)], "num_gpus": 1, "priority": priority,
                "cwd": str(directory), "env": {}})
            with lock:
                if status == 201:
                    submitted[job["id"]] = priority
                else:
                    failures.append((status, job))

    threads = [threading.Thread(target=submitter, args=(n,)) for n in range(SUBMITTERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    return submitted


def check_order(started, priorities):
    """Nobody starts long before a job of higher priority that was waiting with it."""
    order = [priorities[job] for job in started]
    highest_later = [None] * len(order)
    for i in range(len(order) - 1, -1, -1):
        later = highest_later[i + 1] if i + 1 < len(order) else order[i]
        highest_later[i] = max(order[i], later)
    for i in range(len(order) - SLACK):
        assert order[i] >= highest_later[i + SLACK], f"start {i} of priority {order[i]}"


def test_ten_thousand_jobs(tgpu_factory, evidence, tmp_path):
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)
    tgpu = tgpu_factory(gpus="simulated:8")
    gate = tgpu.submit("--gpus", "8", "--priority", "1000", "--", "sleep", "1000")
    tgpu.wait_for_state(gate, "running")
    priorities = submit_all(tgpu, evidence, tmp_path, seed)
    assert len(priorities) == JOBS
    tgpu.cli("cancel", "--now", str(gate))
    tgpu.wait_all(priorities, timeout=600)
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    starts = [int(words[1]) for words in lines if words[0] == "start"]
    ends = [int(words[1]) for words in lines if words[0] == "end"]
    assert not [words for words in lines if words[0] == "overlap"]
    assert collections.Counter(starts) == collections.Counter(priorities.keys())
    assert collections.Counter(ends) == collections.Counter(priorities.keys())
    assert all(words[2] == "0" for words in lines if words[0] == "start")
    check_order(starts, priorities)
