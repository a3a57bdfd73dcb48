# SPDX-License-Identifier: MIT
"""kill -9 of tgpud at random instants under load: every job runs exactly once and no GPU has two.

The jobs write the evidence (tests/helpers/evidence.c); the daemon's word is not taken for it. TGPU_CRASH_KILLS sets
the number of kills.
"""
import collections
import http.client
import itertools
import os
import random
import threading

KILLS = int(os.environ.get("TGPU_CRASH_KILLS", "25"))
SUBMITTERS = 6


class Submitters:
    """Threads that submit until told to stop, repeating each submission under its key until it is acknowledged."""

    def __init__(self, tgpu, command, directory, seed):
        self.tgpu, self.command, self.directory, self.seed = tgpu, command, directory, seed
        self.acknowledged = set()
        self.refused = []
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(SUBMITTERS)]
        for thread in self.threads:
            thread.start()

    def work(self, number):
        chance = random.Random(self.seed * SUBMITTERS + number)
        for count in itertools.count():
            spec = {"command": [*self.command, str(chance.randrange(30))], "cwd": str(self.directory), "env": {},
                    "num_gpus": chance.choice([0, 1, 1, 2, 4])}
            while not self.try_once(spec, f"{number}-{count}"):
                if self.stopped.wait(0.01):
                    return  # never acknowledged: it may or may not have become a job
            if self.stopped.wait(0.02):
                return

    def try_once(self, spec, key):
        try:
            status, job = self.tgpu.api("POST", "/v1/jobs", spec, {"Idempotency-Key": key}, timeout=10)
        except (OSError, ValueError, http.client.HTTPException):
            return False  # killed before, during or after: asking again is harmless
        if status in (200, 201):
            self.acknowledged.add(job["id"])
        else:
            self.refused.append((status, job))
        return True

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def test_kill_nine_at_random_instants(tgpu_factory, evidence, tmp_path):
    seed = random.SystemRandom().randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    tgpu = tgpu_factory(gpus="simulated:8")
    submitters = Submitters(tgpu, [str(evidence), str(tmp_path)], tmp_path, seed)
    instant = threading.Event()
    for _ in range(KILLS):
        instant.wait(chance.random() * 0.3)  # not for something to happen: to be somewhere else each time
        tgpu.kill9()
        tgpu.start()
    submitters.stop()
    tgpu.wait_all([])
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    starts = collections.Counter(int(words[1]) for words in lines if words[0] == "start")
    ends = collections.Counter(int(words[1]) for words in lines if words[0] == "end")
    assert not submitters.refused
    assert not [words for words in lines if words[0] == "overlap"]
    assert submitters.acknowledged <= set(starts)
    assert set(starts.values()) == {1} and starts == ends
    for job in random.Random(seed).sample(sorted(submitters.acknowledged), 20):
        assert tgpu.job(job)["exit_code"] == 0
    print(f"{KILLS} kills, {len(starts)} jobs")
