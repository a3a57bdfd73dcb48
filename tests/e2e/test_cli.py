# SPDX-License-Identifier: MIT
"""The command line: exit codes, selectors, what people see, what scripts see, Ctrl-C."""
import json
import os
import re
import signal
import subprocess
import unicodedata

import pytest

from harness import TGPU, TGPUD

VERBS = ("submit run list show why logs wait cancel hold release requeue update drain resume reserve reservations unreserve gpus top stats "
         "events daemon doctor help").split()


def last_job(tgpu):
    return json.loads(tgpu.cli("show", "last", "--json").stdout)


def test_an_unknown_verb_is_an_error_and_never_a_job(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    done = tgpu.cli("lst")
    assert done.returncode == 2
    assert '"list"' in done.stderr and done.stdout == ""
    strange = tgpu.cli("python", "train.py")
    assert strange.returncode == 2 and "tgpu submit -- python" in strange.stderr
    for elsewhere, here in [("ps", "list"), ("queue", "list"), ("squeue", "list"), ("scancel", "cancel"), ("kill", "cancel"), ("log", "logs"),
                            ("sbatch", "submit"), ("sinfo", "gpus")]:
        done = tgpu.cli(elsewhere, "1")
        assert done.returncode == 2 and f'did you mean "{here}"?' in done.stderr
    assert "stands before the command" in tgpu.cli("--gpus", "2", "--", "true").stderr
    assert json.loads(tgpu.cli("list", "--all", "--json").stdout)["jobs"] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(tgpu_factory, verb):
    tgpu = tgpu_factory(gpus="simulated:2")
    done = tgpu.cli("help", verb)
    assert done.returncode == 0
    assert f"Usage: tgpu {verb}" in done.stdout
    assert f"  tgpu {verb}" in done.stdout.split("Examples:")[1]
    assert done.stdout == tgpu.cli(verb, "--help").stdout
    assert f"\n  {verb} " in tgpu.cli("--help").stdout
    assert max(map(len, (done.stdout + tgpu.cli("help").stdout).splitlines())) <= 80


def test_the_overview_is_two_columns(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    text = tgpu.cli("--help").stdout
    assert text == tgpu.cli("help").stdout == tgpu.cli("-h").stdout
    rows = [line for line in text.splitlines() if re.match(r"  \S", line) and not line.startswith("  tgpu ")]
    assert sorted(row.split()[0] for row in rows[:len(VERBS)]) == sorted(VERBS)
    assert len({re.match(r"  \S+ +", row).end() for row in rows}) == 1


@pytest.mark.parametrize("words, code, says", [
    ([], 2, "Usage"),
    (["help", "sumbit"], 2, 'did you mean "submit"?'),
    (["help", "submit", "list"], 2, "one word too many"),
    (["help", "--json"], 2, "there is no option --json"),
    (["submit"], 2, ""),
    (["submit", "--gpsu", "2", "--", "true"], 2, "--gpus"),
    (["submit", "--gpus"], 2, "--gpus needs a value"),
    (["submit", "--gpus", "--", "true"], 2, "--gpus needs a value"),
    (["submit", "--gpus", "two", "--", "true"], 2, "--gpus: "),
    (["submit", "--gpus", "-1", "--", "true"], 2, "--gpus: "),
    (["submit", "--priority", "5000", "--", "true"], 2, "--priority: "),
    (["submit", "--time", "soon", "--", "true"], 2, "--time: "),
    (["submit", "no-such-file"], 2, "no job file"),
    (["submit", "no-such.yaml"], 2, 'there is no job file "no-such.yaml"\n'),
    (["submit", "--gpus", "2", "python", "train.py", "--lr", "3"], 2, 'goes after "--": -- python train.py --lr 3'),
    (["submit", "--unique", "name", "--", "true"], 2, '"name" before "--" is neither an option'),
    (["submit", "--", "a && b"], 2, 'cmd="a && b"'),
    (["submit", "--", "A=1", "python", "x.py"], 2, '"--env A=1"'),
    (["submit", "--after", "last", "--", "true"], 4, "after: last: you have no job yet"),
    (["submit", "/etc/passwd"], 2, 'neither YAML (.yaml) nor a script (its first line must begin with #!); add "#!/bin/sh"'),
    (["submit", "--gpus", "3", "--", "true"], 2, "largest node has 2"),
    (["submit", "--gpus", "1", "--gpu-type", "h100", "--", "true"], 2, "is of type 'h100'; there are: Simulated GPU"),
    (["submit", "--gpus", "1", "--gpu-mem", "100T", "--", "true"], 2, "gpu_mem: no GPU here has 100 TiB of memory"),
    (["submit", "--mem", "1000T", "--", "true"], 2, "lower --mem"),
    (["submit", "--after", "999", "--", "true"], 2, "999"),
    (["reserve", "--gpus", "9", "--for", "1h"], 2, "gpus: 9 are asked for"),
    (["list", "--limit", "0"], 2, "--limit"),
    (["list", "--state", "running&limit=1"], 2, "--state"),
    (["list", "--state", "sleeping"], 2, "sleeping"),
    (["list", "--state", "running,queudd"], 2, "did you mean queued?"),
    (["list", "running"], 2, "--state running"),
    (["list", "--state", "PENDING"], 2, "did you mean queued?"),
    (["list", "--state", "completed"], 2, "did you mean finished?"),
    (["list", "--state", "timeout"], 2, "did you mean failed?"),
    (["list", "pending"], 2, "write --state queued"),
    (["submit", "--job-name", "x", "--", "true"], 2, "did you mean --name?"),
    (["submit", "--dependency", "1", "--", "true"], 2, "did you mean --after?"),
    (["submit", "--cpus-per-task=4", "--", "true"], 2, "did you mean --cpus?"),
    (["submit", "--cwd", "/", "--", "true"], 2, "did you mean --chdir?"),
    (["submit", "--num-gpus", "1", "--", "true"], 2, "did you mean --gpus?"),
    (["submit", "--time-limit", "1h", "--", "true"], 2, "did you mean --time?"),
    (["submit", "--cmd", "true"], 2, 'a command goes after "--": -- python train.py'),
    (["submit", "--wrap", "true"], 2, 'write the command after "--"'),
    (["submit", "--gres=gpu:2", "--", "true"], 2, "write --gpus N"),
    (["submit", "--nodes", "1", "--", "true"], 2, "leave it out"),
    (["submit", "--nice", "5", "--", "true"], 2, "; write --priority N to order jobs"),
    (["submit", "--partition", "a", "--", "true"], 2, "there are no partitions; see --gpu-type"),
    (["submit", "-p", "a", "--", "true"], 2, "-p, which is Slurm's --partition; there are no partitions"),
    (["submit", "--exclusive", "--", "true"], 2, "--gpus=N"),
    (["submit", "--hold=maybe", "--", "true"], 2, "write for example --hold=true"),
    (["submit", "-"], 2, "what came on stdin is no script; let its first line be #!/bin/sh"),
    (["submit", "/bin/true"], 2, "is a program, not a job file; write: tgpu submit -- /bin/true"),
    (["update", "1", "--no-hold"], 2, '--hold cannot be changed; write "tgpu hold" or "tgpu release"'),
    (["update", "1", "-a", "0-3"], 2, "--array cannot be changed; submit a new array"),
    (["update", "1", "--job-name", "x"], 2, "did you mean --name?"),
    (["submit", "--time", "30", "--", "true"], 2, '--time: "30" has no unit; write 30s or 30m'),
    (["update", "1", "-t", "90"], 2, "write 90s or 90m"),
    (["submit", "--log-max", "1K", "--", "true"], 2, "--log-max: "),
    (["reserve", "--gpus", "1", "--begin", "yesterday", "--for", "1h"], 2, "--begin: 1h from yesterday on is over"),
    (["reserve", "--gpus", "3-1", "--for", "1h"], 2, '--gpus: "3-1" is no range of GPUs'),
    (["unreserve", "mine"], 2, '"mine" names no reservation; write for example 2, 1,3-5 or all'),
    (["drain", "0,"], 2, '"" is no name of a GPU'),
    (["drain", "0-5"], 4, "there is no GPU"),
    (["help", "bogus"], 2, 'there is no command "bogus"; see "tgpu help"'),
    (["cancel", "lst"], 2, "did you mean last?"),
    (["submit", "-g", "1", "--", "true"], 2, "did you mean -G (--gpus)?"),
    (["submit", "--no-hodl", "--", "true"], 2, "did you mean --no-hold?"),
    (["submit", "--begin", "soon", "--", "true"], 2, "14:05"),
    (["list", "--user", "nobody-at-all"], 2, "nobody-at-all"),
    (["list", "5-3"], 2, "3-5"),
    (["gpus", "0"], 2, "one word too many"),
    (["cancel"], 2, "say which jobs"),
    (["cancel", "77"], 4, "77"),
    (["cancel", "last"], 4, "no job yet"),
    (["show", "77"], 4, "77"),
    (["list", "77"], 4, "there is no job 77\n"),
    (["list", "70-76,77", "--json"], 4, "there is no job 77\n"),
    (["list", "last"], 4, "no job yet"),
    (["why", "70-77"], 4, "no job"),
    (["logs", "77"], 4, "77"),
    (["wait", "77"], 4, "77"),
    (["wait", "--timeout", "later", "77"], 2, "--timeout"),
    (["release", "--state", "queued"], 4, "no job"),
    (["daemon"], 2, "start"),
    (["daemon", "reload"], 2, '"stop" or "restart"'),
    (["daemon", "statu"], 2, "did you mean \"tgpu daemon status\"?"),
])
def test_what_is_wrong_is_said(tgpu_factory, words, code, says):
    tgpu = tgpu_factory(gpus="simulated:2")
    done = tgpu.cli(*words)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == 1 or not words
    assert done.stdout == ""


def test_list_is_a_table_for_people(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    running = tgpu.submit("--gpus", "2", "--time", "1h", "--", "sleep", "1000")
    waiting = tgpu.submit("--gpus", "1", "--priority", "-3", "--name", "a name", "--", "true")
    held = tgpu.submit("--hold", "--", "true")
    tgpu.wait_for_state(running, "running")
    head, *rows = tgpu.cli("list").stdout.splitlines()
    assert head.split() == "JOBID NAME USER ST PRIO GPUS TIME LIMIT GPU_IDS(REASON)".split()
    assert [int(row.split()[0]) for row in rows] == [running, waiting, held]
    assert rows[0].split()[3] == "running" and "0,1 (simulated)" in rows[0] and " 1h " in rows[0]
    assert " a name " in rows[1] and " queued " in rows[1] and " -3 " in rows[1]
    assert rows[1].rstrip().endswith(")") and "1 GPU" in rows[1]
    assert " held " in rows[2]
    assert "\x1b" not in head + "".join(rows)
    tgpu.cli("cancel", "--now", f"{running}-{held}")


def test_one_long_name_does_not_widen_the_list(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    for name in ("x" * 100, "short"):
        tgpu.submit("--hold", "--name", name, "--", "true")
    head, long, short = tgpu.cli("list").stdout.splitlines()
    assert "x" * 100 in long and len(short) < 110 and short.index(" held ") == head.index(" ST ")


def test_names_cannot_drive_the_terminal(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    body = {"command": ["true"], "cwd": "/", "env": {}, "name": "red \x1b[31m", "hold": True}
    status, answer = tgpu.api("POST", "/v1/jobs", body)[:2]
    if status == 201:
        for words in (["list"], ["show", str(answer["id"])]):
            assert "\x1b" not in tgpu.cli(*words).stdout
    else:
        assert status == 400


def test_selectors(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    jobs = [tgpu.submit("--hold", "--", "true") for _ in range(5)]

    def listed(*words):
        answer = json.loads(tgpu.cli("list", "--json", *words).stdout)
        return sorted(job["id"] for job in answer["jobs"])

    assert listed() == jobs
    assert listed("1,3-4") == [1, 3, 4]
    assert listed("1", "4-99") == [1, 4, 5]
    assert listed("90-99") == listed("99", "--state", "running") == []
    assert listed("last") == [5]
    assert listed("--me") == jobs
    assert listed("--user", str(os.geteuid() + 1)) == []
    assert listed("--state", "running") == []
    assert len(listed("-n", "2")) == 2
    done = tgpu.cli("cancel", "2-3", "last")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [f"job {job} cancelled" for job in (2, 3, 5)]
    assert listed() == [1, 4]
    assert listed("--all") == jobs
    assert listed("--state", "cancelled", "1-3") == [2, 3]
    assert tgpu.cli("release", "--me").stdout.splitlines() == ["job 1 queued", "job 4 queued"]
    assert tgpu.wait(4)["state"] == "finished"
    over = tgpu.cli("cancel", "4")
    assert over.returncode == 1 and "job 4" in over.stderr


def test_submit_speaks_to_people_and_to_scripts(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    said = tgpu.cli("submit", "--gpus", "2", "--time", "1h", "--", "sleep", "1000").stdout
    assert said == "job 1 starts now on gpu0,gpu1 (simulated)\n"
    said = tgpu.cli("submit", "--gpus", "1", "--", "true").stdout
    assert re.fullmatch(r"job 2 queued, 1st in line, estimated start (\d{4}-\d\d-\d\d )?\d\d:\d\d\n", said)
    said = tgpu.cli("submit", "--gpus", "2", "--", "true").stdout
    assert said.startswith("job 3 queued, 2nd in line")
    assert "release 4" in tgpu.cli("submit", "--hold", "--", "true").stdout
    assert tgpu.cli("submit", "-q", "--hold", "--", "true").stdout == "5\n"
    assert tgpu.cli("submit", "--parsable", "--hold", "--", "true").stdout == "6\n"
    assert json.loads(tgpu.cli("submit", "--json", "--hold", "--", "true").stdout)["id"] == 7
    assert tgpu.cli("submit", "--", "true").stdout == "job 8 starts now\n"
    said = tgpu.cli("submit", "--begin", "tomorrow 9:00", "--", "true").stdout
    assert re.fullmatch(r"job 9 queued, not before \d{4}-\d\d-\d\d 09:00\n", said)
    tgpu.cli("cancel", "--now", "1-9")


def test_a_submit_says_what_will_happen(tgpu_factory):
    """The answer's own fields; `start_ms_estimated` is null where nobody can tell."""
    tgpu = tgpu_factory(gpus="simulated:2")
    body = {"command": ["sleep", "1000"], "cwd": "/", "env": {}, "num_gpus": 2}
    status, runs = tgpu.api("POST", "/v1/jobs", body)
    assert (status, runs["state"]) == (201, "starting") and "ahead" not in runs
    waits = tgpu.api("POST", "/v1/jobs", body)[1]
    assert (waits["state"], waits["ahead"], waits["start_ms_estimated"]) == ("queued", 0, None)
    tgpu.api("POST", "/v1/jobs/cancel", {"ids": str(runs["id"]), "now": True})
    tgpu.wait_for_state(waits["id"], "running")
    limited = tgpu.api("POST", "/v1/jobs", {**body, "time_limit": "1h"})[1]
    tgpu.api("POST", "/v1/jobs/cancel", {"ids": str(waits["id"]), "now": True})
    started = tgpu.wait_for_state(limited["id"], "running")
    last = tgpu.api("POST", "/v1/jobs", body)[1]
    late_ms = last["start_ms_estimated"] - started["start_ms"]
    assert 3590_000 <= late_ms < 4200_000  # its limit counts from a moment before its processes began


def test_no_words_are_a_short_screen(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    said = tgpu.cli()
    assert said.returncode == 2 and said.stdout == ""
    assert len(said.stderr.splitlines()) < 20 and max(map(len, said.stderr.splitlines())) <= 80
    assert "tgpu submit" in said.stderr and "tgpu help" in said.stderr


def columns(text):
    """What a terminal takes for it."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def test_wide_names_are_aligned(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    for name in ("plain", "训练任务", "e\u0301cole", "🚀"):
        tgpu.submit("--hold", "--name", name, "--", "true")

    rows = tgpu.cli("list").stdout.splitlines()
    assert len({columns(row[:row.index(" held ")]) for row in rows[1:]}) == 1


def test_on_a_terminal(tgpu_factory):
    """Colours only where they are seen, and nothing wider than the screen, however long it is."""
    tgpu = tgpu_factory(gpus="simulated:8")
    running = tgpu.submit("--gpus", "8", "--name", "x" * 100, "--time", "100d", "--priority", "1000", "--", "sleep", "1000")
    tgpu.submit("--gpus", "8", "--name", "训" * 40, "--", "true")
    tgpu.wait_for_state(running, "running")

    def shown(width=80, **env):
        return tgpu.on_terminal("list", width=width, **env)

    assert "\x1b[" in shown()
    assert "\x1b" not in shown(NO_COLOR="1")
    for width in (50, 60, 80, 132):
        assert max(columns(line) for line in shown(width, NO_COLOR="1").splitlines()) <= width
    assert "LIMIT" in shown() and "LIMIT" not in shown(60)
    assert "\x1b" not in shown(TERM="dumb")


def test_options_win_over_the_file(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    (tgpu.dir / "job.yaml").write_text("command: 'true'\nnum_gpus: 2\npriority: 5\nhold: true\n")
    (tgpu.dir / "job.sh").write_text("#!/bin/sh\n#TGPU --gpus 2 --priority 5\n#TGPU --hold\n")
    for name in ("job.yaml", "job.sh"):
        done = tgpu.cli("submit", "-q", "--gpus", "3", name, cwd=tgpu.dir)
        job = tgpu.job(int(done.stdout))
        assert (job["num_gpus"], job["priority"], job["held"]) == (3, 5, True)
    done = tgpu.cli("submit", "job.yaml", "--gpus", "3", cwd=tgpu.dir)
    assert done.returncode == 2 and "options go before it" in done.stderr


def test_a_script_on_stdin(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    done = tgpu.cli("submit", "-q", "-", "a b", "--gpus",
                    input="#!/bin/sh\n#TGPU --gpus 2\necho \"$1|$2|$TGPU_GPUS\"\n")
    assert done.returncode == 0, done.stderr
    assert tgpu.wait(int(done.stdout))["state"] == "finished"
    assert tgpu.log_of(int(done.stdout)) == "a b|--gpus|0,1\n"


def test_what_the_shell_keeps_to_itself(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    shell = {"KEPT": "a\nb", "TGPU_JOB_ID": "999", "NOTIFY_SOCKET": "/n", "LISTEN_FDS": "1",
             "HIP_VISIBLE_DEVICES": "0"}
    job = tgpu.submit("--gpus", "1", "--", "env", "-0", env=shell)
    tgpu.wait(job)
    got = dict(line.split("=", 1) for line in tgpu.log_of(job).split("\0") if line)
    assert got["KEPT"] == "a\nb"
    assert got["TGPU_JOB_ID"] == str(job)
    assert not {"NOTIFY_SOCKET", "LISTEN_FDS", "HIP_VISIBLE_DEVICES", "TGPU_STATE_DIR"} & set(got)


def test_a_variable_that_is_not_text_is_left_out_by_name(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    done = tgpu.cli("submit", "-q", "--", "true", env={"ODD": b"\xff".decode(errors="surrogateescape")})
    assert done.returncode == 0
    assert "ODD" in done.stderr and "warning" in done.stderr


def test_wait_returns_the_code_of_the_first_that_failed(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    slow = tgpu.submit("--", "sh", "-c", "sleep 0.2; exit 6")
    quick = tgpu.submit("--", "sh", "-c", "exit 7")
    good = tgpu.submit("--", "true")
    assert tgpu.cli("wait", str(good)).returncode == 0
    assert tgpu.cli("wait", str(quick), str(slow), str(good)).returncode == 6
    killed = tgpu.submit("--", "sh", "-c", "kill -9 $$")
    assert tgpu.cli("wait", "last").returncode == 137
    assert tgpu.cli("wait", str(killed)).returncode == 137
    missing = tgpu.submit("--", "/no/such/program")
    assert tgpu.cli("wait", str(missing)).returncode == 127
    plain = tgpu.submit("--", "/etc/passwd")
    assert tgpu.cli("wait", str(plain)).returncode == 126
    held = tgpu.submit("--hold", "--", "true")
    late = tgpu.cli("wait", "--timeout", "100ms", str(held))
    assert late.returncode == 124 and f"job {held}" in late.stderr


def test_logs_follow_from_the_wait_to_the_end(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    gate = tgpu.dir / "gate"
    first = tgpu.submit("--gpus", "1", "--", "sh", "-c",
                        f"echo one; while ! [ -e {gate} ]; do sleep 0.02; done; echo two")
    tgpu.wait_for_log(first, "one")
    second = tgpu.submit("--gpus", "1", "--", "sh", "-c", "echo three; echo four >&2")
    waiting = tgpu.cli("logs", str(second))
    assert waiting.returncode == 4 and "has not started" in waiting.stderr
    assert tgpu.cli("logs", str(first)).stdout == "one\n"
    follower = tgpu.popen("logs", "-f", str(second))
    assert f"job {second} waits:" in follower.stderr.readline()
    gate.touch()
    out, _ = follower.communicate(timeout=30)
    assert out.splitlines() == ["three", "four"]
    assert tgpu.cli("logs", "-f", str(first)).stdout == "one\ntwo\n"


def test_logs_of_a_job_that_never_started_say_why(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    never = tgpu.submit("--hold", "--", "true")
    tgpu.cli("cancel", str(never))
    broken = tgpu.submit("--", "/no/such/program")
    tgpu.wait(broken)
    for words in ([], ["--follow"], ["--err"]):
        done = tgpu.cli("logs", *words, str(never))
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr.startswith(f"tgpu logs: job {never} never started: cancelled by ")
        done = tgpu.cli("logs", *words, str(broken))
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr.startswith(f"tgpu logs: job {broken} never started: there is no program /no/such/program")
        assert done.stderr.count("\n") == 1


def test_logs_that_are_not_there(tgpu_factory):
    """One sentence each, the code of a missing thing, and the logs of other jobs all the same."""
    tgpu = tgpu_factory(gpus="simulated:1")
    gone = tgpu.submit("--", "true")
    tgpu.wait(gone)
    tgpu.log_path(gone).unlink()
    there = tgpu.submit("--", "echo", "here")
    tgpu.wait(there)
    held = tgpu.submit("--hold", "--", "true")
    for words in ([], ["-f"]):
        done = tgpu.cli("logs", *words, str(gone))
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr.endswith(f"tgpu logs: the log {tgpu.state}/logs/{gone}.log does not exist\n")
        apart = tgpu.cli("logs", "-e", *words, str(there))
        assert (apart.returncode, apart.stdout) == (4, "")
        assert apart.stderr == f"tgpu logs: job {there} writes stderr to the same log; leave out --err\n"
    many = tgpu.cli("logs", f"{gone}-{held}")
    assert (many.returncode, many.stdout) == (4, "here\n") and many.stderr.count("\n") == 2


def test_a_log_that_could_not_be_opened_is_told_once(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    (tgpu.dir / "file").touch()
    done = tgpu.cli("run", "--output", "file/log", "--", "true", cwd=tgpu.dir)
    assert done.returncode == 126 and "job 1 failed: could not start; cannot open the log" in done.stderr
    for words in ([], ["-f"]):
        done = tgpu.cli("logs", *words, "1")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (4, "", 1)
        assert "job 1 never started: cannot open the log" in done.stderr


def test_the_last_lines_of_a_log(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    gate = tgpu.dir / "gate"
    os.mkfifo(gate)
    job = tgpu.submit("--", f"cmd=seq 1 50000; read x <{gate}; printf new")
    tgpu.wait_for_log(job, "50000")
    assert tgpu.cli("logs", "-n", "2", str(job)).stdout == "49999\n50000\n"
    assert tgpu.cli("logs", "--tail", "40000", str(job)).stdout.startswith("10001\n10002\n")
    assert tgpu.cli("logs", "--tail", "50001", str(job)).stdout.startswith("1\n2\n")
    follower = tgpu.popen("logs", "-f", "-n", "1", str(job))
    assert [follower.stderr.readline()[:6], follower.stdout.readline()] == ["tgpu: ", "50000\n"]
    gate.write_text("\n")
    assert follower.communicate(timeout=60)[0] == "new"
    assert tgpu.cli("logs", "-n", "1", str(job)).stdout == "new"
    assert tgpu.cli("logs", "-n", "2", str(job)).stdout == "50000\nnew"
    refused = tgpu.cli("logs", "-n", "0", str(job))
    assert refused.returncode == 2 and "--tail 0: write how many lines" in refused.stderr


def test_logs_of_a_job_that_waits_to_begin_again(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    job = tgpu.submit("--gpus", "1", "--", "sh", "-c", "echo hello; exec sleep 1000")
    tgpu.wait_for_log(job, "hello")
    tgpu.submit("--gpus", "1", "--priority", "9", "--", "sleep", "1000")
    tgpu.cli("requeue", "--now", str(job))
    tgpu.wait_for_state(job, "queued")
    done = tgpu.cli("logs", str(job))
    assert (done.returncode, done.stdout) == (0, "hello\n")
    assert done.stderr == f"tgpu logs: job {job} waits to begin again: needs 1 GPU, 0 free\n"


def test_run_warns_of_what_is_piped_in(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    (tgpu.dir / "data").write_text("hello\n")
    pipe, into = os.pipe()
    os.write(into, b"hello\n")
    with open(pipe, encoding="utf-8") as piped, open(tgpu.dir / "data", encoding="utf-8") as data:
        for stdin in (piped, data):
            done = subprocess.run([TGPU, "run", "--", "cat"], env=tgpu.env, stdin=stdin, capture_output=True, text=True, check=True)
            assert done.stdout == "" and "tgpu: warning: jobs have no stdin" in done.stderr
    os.close(into)
    for done in (tgpu.cli("run", "--", "cat"), tgpu.cli("run", "--", "cat", input=""), tgpu.cli("run", "-q", "--", "cat", input="x"),
                 tgpu.cli("run", "-", input="#!/bin/sh\ntrue\n")):
        assert done.returncode == 0 and "stdin" not in done.stderr


def test_run_says_why_the_program_did_not_start(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    done = tgpu.cli("run", "--", "/no/such/program")
    assert done.returncode == 127 and done.stdout == ""
    assert "job 1 ran" not in done.stderr
    assert "tgpu: job 1 failed: could not start; there is no program /no/such/program" in done.stderr
    assert tgpu.cli("run", "--quiet", "--", "/no/such/program").stderr == ""
    odd = tgpu.cli("run", "--", "/no/such\x1b[31m")
    assert odd.returncode == 127 and "\x1b" not in odd.stderr


def test_stderr_apart(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    done = tgpu.cli("run", "-q", "--error", "err.log", "--", "sh", "-c", "echo out; echo err >&2",
                    cwd=tgpu.dir)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")
    assert tgpu.cli("logs", "last").stdout == "out\n"
    assert tgpu.cli("logs", "--err", "last").stdout == "err\n"


def test_interrupting_run_ends_the_job(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    run = tgpu.popen("run", "--gpus", "1", "--", "sh", "-c",
                     "trap 'echo saved; exit 9' TERM; echo up; while :; do sleep 0.02; done")
    assert run.stdout.readline() == "up\n"
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=30)
    assert out.splitlines()[-1] == "saved"  # the shell may say that its sleep was terminated
    assert last_job(tgpu)["state"] == "cancelled"
    assert run.returncode == 9


def test_a_second_interrupt_detaches(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    run = tgpu.popen("run", "--gpus", "1", "--", "sh", "-c",
                     "trap 'echo no' TERM; echo up; while :; do sleep 0.02; done")
    assert run.stdout.readline() == "up\n"
    run.send_signal(signal.SIGINT)
    assert "no\n" in iter(run.stdout.readline, "")
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 1 and "goes on without you" in err
    assert last_job(tgpu)["state"] == "stopping"
    tgpu.cli("cancel", "--now", "last")


def test_simulated_gpus_say_so(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    text = tgpu.cli("gpus").stdout
    assert "simulated" in text.splitlines()[0]
    assert "GPU3" in text and "PIX" in text
    links = tgpu.cli("gpus", "--topology").stdout
    assert "simulated" in links and "MEMORY" not in links
    run = tgpu.cli("run", "--gpus", "1", "--", "true")
    assert run.returncode == 0 and "simulated" in run.stderr
    assert "simulated" in tgpu.cli("show", "last").stdout
    assert "simulated" in tgpu.cli("daemon", "status").stdout
    doctor = tgpu.cli("doctor", env={"TGPU_GPUS": "simulated:4"}).stdout
    assert "[warn] 4 GPUs are simulated: they do not exist\n" in doctor
    assert f"program {TGPUD.resolve()}\n" in doctor and "/../" not in doctor


def test_a_command_may_be_spelled_out(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    job = tgpu.submit("--", "command=echo $((2 + 3))")
    assert tgpu.wait(job)["state"] == "finished"
    assert tgpu.log_of(job) == "5\n"


def test_a_place_that_does_not_exist_is_told_at_once(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    done = tgpu.cli("submit", "--hold", "--chdir", "/no/such", "--output", "logs/%j.log", "--error", "%x/log", "--", "true")
    assert done.returncode == 0
    assert "chdir: there is no directory /no/such (yet)" in done.stderr
    assert "output: there is no directory /no/such/logs (yet)" in done.stderr
    assert "error" not in done.stderr


def test_who_goes_first_is_named(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    first = tgpu.submit("--gpus", "1", "--", "sleep", "1000")
    tgpu.wait_for_state(first, "running")
    array = tgpu.submit("--gpus", "1", "--array", "1-3", "--", "true")
    for _ in range(3):
        last = tgpu.submit("--gpus", "1", "--time", "1h", "--", "true")
    why = tgpu.cli("why", str(last)).stdout
    assert f"jobs {array}-{array + 2}, {array + 3} and {array + 4} go first" in why
    assert f"its start cannot be estimated, because job {first}, which runs, has no time limit" in why
    assert tgpu.cli("drain", "0").returncode == 0
    assert tgpu.cli("cancel", "--now", str(first)).returncode == 0
    tgpu.wait(first)
    assert '"tgpu resume gpu0" puts it back' in tgpu.cli("why", str(array)).stdout
