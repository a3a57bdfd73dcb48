# SPDX-License-Identifier: MIT
"""tgpu-sim as people call it. What it computes is compared with reference results in tests/property/test_replay.c."""
import csv
import gzip
import io
import json
import os
import pty
import re
import shutil
import subprocess

import pytest
from harness import BUILD, PATIENCE, ROOT

SIM = BUILD / "simulator" / "tgpu-sim"
LAB = ROOT / "examples" / "traces" / "lab.csv"
DOCS = ROOT / "docs" / "simulator.md"


def sim(*words, cwd=ROOT):
    return subprocess.run([SIM, *words], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE, check=False)


def replay(*words):
    done = sim("replay", *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.sanitize
@pytest.mark.parametrize("page", ["simulator.md", "scheduling.md"])
def test_the_documentation_shows_what_is_printed(page):
    text = (ROOT / "docs" / page).read_text()
    examples = re.findall(r"^    \$ tgpu-sim (.*)\n((?:    (?!\$).*\n)+)", text, re.M)
    assert len(examples) == text.count("$ tgpu-sim ") > 0
    for words, shown in examples:
        done = sim(*words.split())
        assert done.returncode == 0, done.stderr
        assert done.stdout == re.sub("^    ", "", shown, flags=re.M), words


def test_every_verb_has_help():
    overview = sim("--help").stdout
    verbs = re.findall(r"^  (\w+)  +\S", overview.split("Commands:")[1].split("\n\n")[0], re.M)
    assert verbs == ["replay", "verify", "policies", "formats", "help"]
    assert sim().stderr == sim("help").stdout == sim("help", "help").stdout == overview
    for verb in verbs[:-1]:
        done = sim("help", verb)
        assert (done.returncode, done.stdout) == (0, sim(verb, "--help").stdout)
        assert re.search(rf"^Usage: tgpu-sim {verb}( \S.*)?$", done.stdout, re.M)
        assert f"  tgpu-sim {verb}" in done.stdout.split("Examples:")[1]
        assert max(map(len, (overview + done.stdout).splitlines())) <= 80
    wrong = sim("help", "replya")
    assert (wrong.returncode, wrong.stdout) == (2, "") and 'did you mean "replay"?' in wrong.stderr


def test_every_format_is_documented_and_every_policy_listed():
    text = DOCS.read_text()
    names = [line.split()[0] for line in sim("formats").stdout.splitlines()]
    assert "swf" in names and "csv" in names
    assert [name for name in names if f"| `{name}` |" not in text] == []
    policies = [line.split()[0] for line in sim("policies").stdout.splitlines()]
    assert policies[:2] == ["fifo", "skip"]
    rows = replay("-N", "2x8", "-p", ",".join(policies), str(LAB))
    assert [row["policy"] for row in rows] == policies
    assert all(row["jobs"] == 60 and row["makespan_s"] > 0 for row in rows)


def test_json_and_csv_say_the_same(tmp_path):
    packed = tmp_path / "packed, twice.csv.gz"
    packed.write_bytes(gzip.compress(LAB.read_bytes()))
    words = ["-N", "2x8,cpus=64", "-p", "fifo,easy", str(LAB), str(packed)]
    objects = replay(*words)
    rows = list(csv.DictReader(io.StringIO(sim("replay", *words, "--csv").stdout)))
    assert len(rows) == len(objects) == 4
    for row, item in zip(rows, objects):
        assert list(row) == list(item)
        for key, value in item.items():
            assert row[key] == (value if isinstance(value, str) else f"{value:.4f}" if isinstance(value, float)
                                else str(value)), key
    assert objects[0]["trace"] == "lab.csv" and objects[2]["trace"] == "packed, twice.csv"
    assert objects[0]["sha256_starts"] == objects[2]["sha256_starts"] != objects[1]["sha256_starts"]


def test_starts_are_a_trace_again(tmp_path):
    out = tmp_path / "starts.csv"
    (row,) = replay("-N", "2x8", "-p", "easy", "--starts", str(out), str(LAB))
    starts = list(csv.DictReader(out.open()))
    jobs = {job["id"]: job for job in csv.DictReader(LAB.open())}
    assert len(starts) == 60
    assert sum(int(start["start_s"]) - int(start["submit_s"]) for start in starts) == row["sum_wait_s"]
    for start in starts:
        job = jobs[start["id"]]
        assert int(start["end_s"]) - int(start["start_s"]) == min(int(job["run_s"]), int(job["estimate_s"]))
        assert sum(int(part.split(":")[1]) for part in start["nodes"].split()) == int(job["gpus"])
    again = replay("-N", "1x0,cpus=1", "-p", "fifo", str(out))
    assert again[0]["jobs"] == 60


REFUSED = [
    (2, "there is no policy eazzy; did you mean easy?", ["-N", "2x8", "-p", "eazzy", "{lab}"]),
    (2, "--estimates much", ["-N", "2x8", "-e", "much", "{lab}"]),
    (2, "--nodes: '8' is no number of nodes and GPUs", ["-N", "8", "{lab}"]),
    (2, "does not tell its machine", ["{lab}"]),
    (2, "there is no such format", ["-N", "2x8", "-f", "xls", "{lab}"]),
    (2, "name from 1 to 64 traces", ["-N", "2x8"]),
    (2, "none of its jobs fits on these nodes; job 1: num_gpus", ["-N", "1x0,cpus=8", "{lab}"]),
    (2, "no job was submitted after --after 9d", ["-N", "2x8", "--after", "9d", "{lab}"]),
    (2, "--cap", ["-N", "2x8", "--cap", "0", "{lab}"]),
    (2, "--starts takes one trace and one --policy", ["-N", "2x8", "--starts", "{dir}/x", "{lab}"]),
    (2, "its format cannot be told", ["-N", "2x8", "{dir}/strange"]),
    (1, "bad.csv:3: gpus: \"two\" is not a number", ["-N", "2x8", "{dir}/bad.csv"]),
    (1, "cannot open it: No such file or directory", ["-N", "2x8", "{dir}/none.csv"]),
    (1, "is empty", ["-N", "2x8", "{dir}/empty.csv"]),
    (1, "cannot read it", ["-N", "2x8", "{dir}/cut.csv.gz"]),
    (1, "is not a database", ["-N", "2x8", "{dir}/text.db"]),
    (1, "cannot write it", ["-N", "2x8", "-p", "easy", "--starts", "{dir}/no/x", "{lab}"]),
]


@pytest.mark.parametrize("code,sentence,words", REFUSED, ids=[case[1] for case in REFUSED])
def test_refusals_say_what_and_where(tmp_path, code, sentence, words):
    (tmp_path / "strange").write_text("1 2 3\n")
    (tmp_path / "bad.csv").write_text("submit_s,run_s,gpus\n0,1,1\n0,1,two\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(LAB.read_bytes())[:300])
    (tmp_path / "text.db").write_text("no database\n" * 100)
    done = sim("replay", *(word.format(lab=LAB, dir=tmp_path) for word in words))
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr and done.stderr.startswith("tgpu-sim replay: ") and done.stderr.count("\n") == 1


def test_what_never_fits_is_left_out_and_said():
    done = sim("replay", "-N", "1x8", "-p", "fifo", "--json", str(LAB))
    assert done.returncode == 0 and json.loads(done.stdout)[0]["jobs"] == 57
    assert "3 of 60 jobs can never run on these nodes, and are left out; the first, job 22: num_gpus" in done.stderr


def test_progress_is_for_terminals(tmp_path):
    """Enough passes that there is something to tell; nothing of it in a file."""
    many = tmp_path / "many.csv"
    many.write_text("submit_s,run_s,gpus\n" + "".join(f"{i},5,1\n" for i in range(20000)))
    words = [SIM, "replay", "-N", "1x8", "-p", "fifo", many]
    assert sim(*words[1:]).stderr == ""
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        try:
            while chunk := os.read(ours, 4096):
                seen += chunk
        except OSError:  # how a terminal ends
            pass
        assert process.wait(PATIENCE) == 0
    os.close(ours)
    assert re.search(rb"\rfifo: \d+%", seen) and seen.endswith(b"\r\x1b[K")


@pytest.mark.sanitize
def test_the_database_of_a_daemon(tgpu_factory, tmp_path):
    tgpu = tgpu_factory(gpus="simulated:4")
    jobs = [tgpu.submit("--gpus", str(gpus), "--time", "1h", "--priority", str(gpus), "--", "true")
            for gpus in (1, 2, 4)]
    jobs.append(tgpu.submit("--gpus", "1", "--", "false"))
    waiting = tgpu.submit("--hold", "--", "true")
    ended = {job: tgpu.wait(job) for job in jobs}
    store = tgpu.state / "tgpu.db"
    busy = sim("replay", "-N", "1x4,cpus=64", "--from-db", str(store))
    assert busy.returncode == 1 and "tgpud has it open; stop it" in busy.stderr
    assert tgpu.job(waiting)["state"] == "queued", "the daemon does not mind"
    tgpu.stop()

    copy = tmp_path / "copy.db"
    shutil.copy(store, copy)
    out = tmp_path / "starts.csv"
    (row,) = replay("-N", "1x4,cpus=64", "-p", "priority", "--starts", str(out), str(copy))
    assert row["jobs"] == 4 and row["trace"] == "copy.db" and row["estimates"] == "trace"
    for start in csv.DictReader(out.open()):
        shown = ended[int(start["id"])]
        run_ms = (float(start["end_s"]) - float(start["start_s"])) * 1000
        assert abs(run_ms - (shown["end_ms"] - shown["start_ms"])) <= 1
    assert row["sha256_starts"] == replay("-N", "1x4,cpus=64", "-p", "priority", "--from-db", str(store))[0][
        "sha256_starts"]
    tgpu.start()
    assert tgpu.job(jobs[0])["state"] == "finished"
