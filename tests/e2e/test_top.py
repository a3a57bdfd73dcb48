# SPDX-License-Identifier: MIT
"""tgpu top, in a real terminal (tmux): what it shows, what its keys do, how it leaves."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import unicodedata

import pytest

from harness import PATIENCE, TGPU

needs_tmux = pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not installed; see script/bootstrap")


class Screen:
    """A terminal of its own with a command in it; waited for by what it shows."""

    def __init__(self, tgpu, command="tgpu top", width=80, height=24, **env):
        self.tgpu = tgpu
        self.socket = tgpu.dir / "tmux"
        # The shell stays, so that what the command leaves behind can be seen.
        script = f'{command}; echo "code=$?"; stty -a; exec sleep 1000'
        inside = [f"{name}={value}" for name, value in {"LC_ALL": "C.UTF-8", **env}.items()]
        self.tmux("new-session", "-d", "-x", str(width), "-y", str(height),
                  "env", f"PATH={TGPU.parent}:{os.environ['PATH']}", *inside, "sh", "-c", script)

    def tmux(self, *words):
        done = subprocess.run(["tmux", "-u", "-S", self.socket, "-f", "/dev/null", *words], env=self.tgpu.env,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def text(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def keys(self, *keys):
        for key in keys:
            self.tmux("send-keys", key)

    def wait(self, condition, what):
        """Poll the screen until it shows what is expected; the screen."""
        deadline = time.monotonic() + PATIENCE
        while not condition(text := self.text()):
            assert time.monotonic() < deadline, f"the screen does not show {what}:\n{text}\n{self.tgpu.daemon_log()}"
        return text

    def wait_for(self, pattern):
        return self.wait(lambda text: re.search(pattern, text, re.M), pattern)

    def wait_until_gone(self, pattern):
        return self.wait(lambda text: not re.search(pattern, text, re.M), f"no {pattern}")

    def program(self):
        """The pid of tgpu-top."""
        return next(pid for pid in self.tgpu.leftovers()
                    if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "tgpu-top")

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], env=self.tgpu.env, capture_output=True, check=False)


@pytest.fixture
def screen_factory(tgpu_factory):
    screens = []

    def make(*words, **options):
        screens.append(Screen(*words, **options))
        return screens[-1]

    yield make
    for screen in screens:
        screen.close()


@pytest.fixture
def busy(tgpu_factory):
    """Two GPUs taken by job 1, jobs 2 to 4 waiting."""
    tgpu = tgpu_factory(gpus="simulated:2")
    first = tgpu.submit("--gpus", "2", "--time", "1h", "--name", "train", "--", "sleep", "1000")
    tgpu.wait_for_state(first, "running")
    for name in ("two", "three", "four"):
        tgpu.submit("--gpus", "1", "--name", name, "--", "sleep", "1000")
    return tgpu


def columns(text):
    """How many columns of a terminal the text takes."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


# without a terminal

@pytest.mark.parametrize("words", [["top"], ["top", "--once"], ["top", "--interval", "5s"]])
def test_without_a_terminal_it_prints_one_snapshot(busy, words):
    done = busy.cli(*words)
    assert done.returncode == 0 and done.stderr == ""
    assert "2 GPUs (simulated), 0 idle; 1 running, 3 waiting" in done.stdout.splitlines()[0]
    assert re.search(r"^ +1 +train .* running +0,1 ", done.stdout, re.M)
    assert re.search(r"^ +2 +two .*needs 1 GPU, 0 free$", done.stdout, re.M)
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("words, env, code, says", [
    (["--interval", "never"], {}, 2, "--interval"),
    (["--interval", "1ms"], {}, 2, "100ms"),
    (["--once"], {"TGPU_LIBEXEC_DIR": "/nonexistent"}, 4, "tgpu-top is not installed"),
    (["extra"], {}, 2, "one word too many"),
])
def test_what_is_wrong_is_said(tgpu_factory, words, env, code, says):
    done = tgpu_factory(gpus="simulated:2").cli("top", *words, env=env)
    assert done.returncode == code
    assert says in done.stderr and done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_without_a_daemon_it_says_so(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    tgpu.stop()
    done = tgpu.cli("top", "--once", env={"TGPU_LIBEXEC_DIR": "/nonexistent"})
    assert done.returncode == 3 and "tgpu top: " in done.stderr


# what it shows

@needs_tmux
def test_it_shows_the_machine_and_both_lists(busy, screen_factory):
    screen = screen_factory(busy)
    text = screen.wait_for(r"2 GPUs(.|\n)*^ +4 four(.|\n)*^q quit  \? help")  # both answers have come
    lines = text.splitlines()
    assert re.search(r": 2 GPUs \(simulated\), 0 idle; 1 running, 3 waiting +\d\d:\d\d:\d\d$", lines[0])
    assert re.search(r"^ +0 Simulated GPU allocated +1 \S+ .*░+ 0/80G +- +- +-$", text, re.M)
    assert re.search(r"^> +1 train \S+ +running 0,1 +\d+s █+.* 59m\d+s$", text, re.M)
    assert re.search(r"^ +2 two .* needs 1 GPU, 0 free$", text, re.M)
    assert lines[23].startswith("q quit")
    busy.cli("cancel", "--now", "2")
    screen.wait_until_gone(r"^ +2 two")
    new = busy.submit("--hold", "--name", "late", "--", "true")
    screen.wait_for(rf"^ +{new} late .*held")


@needs_tmux
def test_gpus_are_looked_at_when_jobs_change(tgpu_factory, screen_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    screen = screen_factory(tgpu, "tgpu top --interval 1h")
    screen.wait_for("Simulated GPU idle")
    tgpu.submit("--gpus", "1", "--", "sleep", "1000")
    screen.wait_for("Simulated GPU allocated +1 ")


@needs_tmux
def test_wide_names_do_not_break_columns(tgpu_factory, screen_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    for name in ("模型训练", "plain", "Größe"):
        tgpu.submit("--hold", "--gpus", "1", "--name", name, "--", "true")
    screen = screen_factory(tgpu)
    text = screen.wait_for("Größe")
    places = {columns(line[:line.index(" held")]) for line in text.splitlines() if line.endswith(" held")}
    assert "模型训练" in text and len(places) == 1


@needs_tmux
def test_it_fits_a_window_that_shrinks_and_grows(busy, screen_factory):
    screen = screen_factory(busy)
    screen.wait_for(r"^ +4 four")
    screen.tmux("resize-window", "-x", "40", "-y", "10")
    text = screen.wait_for(r"\A.*\n RUNNING .*\n> +1 train .*\n{7}q quit")
    assert max(map(columns, text.splitlines())) == 40
    screen.keys("Tab")
    screen.wait_for(r"\A.*\n WAITING .*\n> +2 two .*needs 1.*\n.*three.*\n.*four.*\n{5}q quit")
    screen.tmux("resize-window", "-x", "120", "-y", "30")
    screen.wait_for(r"\A.*\n GPU (.*\n){28}q quit.* filter$")


COLOURED = "\x1b\\[[0-9;]*3[1-6]m"


@needs_tmux
def test_colours_and_blocks_where_there_are_some(busy, screen_factory):
    screen = screen_factory(busy, TERM="screen-256color")
    assert "█" in screen.wait_for(r"^> +1 train")
    screen.keys("Tab")
    screen.wait_for(r"^> +2 two")
    assert re.search(COLOURED, screen.text("-e"))


@needs_tmux
@pytest.mark.parametrize("env", [{"TERM": "vt100"}, {"NO_COLOR": "1"}])
def test_it_does_without_colours(busy, screen_factory, env):
    screen = screen_factory(busy, **env)
    screen.wait_for(r"^> +1 train")
    screen.keys("Tab")
    screen.wait_for(r"^> +2 two")
    assert not re.search(COLOURED, screen.text("-e"))


@needs_tmux
def test_it_does_with_ascii(tgpu_factory, screen_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    tgpu.submit("--gpus", "2", "--time", "1h", "--name", "Größe", "--", "sleep", "1000")
    screen = screen_factory(tgpu, TERM="vt100", LC_ALL="C")
    text = screen.wait_for(r"^> +1 Gr\?\?\?\?e .*\[#+ *\] 59m")
    assert text.isascii()


@needs_tmux
def test_an_unknown_terminal_is_an_error(busy, screen_factory):
    screen = screen_factory(busy, TERM="no-such-terminal")
    text = screen.wait_for("^code=2")
    assert 'terminal "no-such-terminal"' in text and "tgpu top --once" in text


@needs_tmux
def test_a_terminal_without_a_cursor_is_an_error(busy, screen_factory):
    screen = screen_factory(busy, TERM="dumb")
    text = screen.wait_for("^code=2(.|\n)*iexten")
    assert 'terminal "dumb"' in text and "tgpu top --once" in text
    assert " icanon" in text and " echo " in text


@needs_tmux
def test_a_small_screen_says_what_it_leaves_out(busy, screen_factory):
    for name in ("five", "six", "seven", "eight", "nine"):
        busy.submit("--gpus", "1", "--name", name, "--", "sleep", "1000")
    screen = screen_factory(busy, width=60, height=15)
    text = screen.wait_for(r"^ WAITING NAME +USER +PRIO GPUS +START REASON +\+1 more$")
    lines = text.splitlines()
    assert lines[4].startswith(" RUNNING") and "more" not in lines[1] + lines[4]
    assert len(lines) == 15 and lines[14] == "q quit  ? help  Tab pane  w why  l log  c cancel  h hold ..."
    screen.keys("Tab")
    screen.tmux("resize-window", "-x", "60", "-y", "8")
    screen.wait_for(r"\A.*\n WAITING .* \+3 more\n> +2 two .*\n(.*\n){4}q quit")
    screen.keys("End")
    screen.wait_for(r"^ WAITING .* \+3 more\n +5 five .*\n(.*\n){3}> +9 nine .*\nq quit")


@needs_tmux
def test_help_has_the_whole_of_a_small_screen(busy, screen_factory):
    screen = screen_factory(busy, width=60, height=15)
    screen.wait_for(r"^> +1 train")
    screen.keys("?")
    text = screen.wait_for(r"\A.*\nkeys \(lines 1-12 of 19\)\nq +leave\n(.*\n){11}arrows scroll")
    assert "Simul" not in text
    screen.keys("End")
    screen.wait_for(r"^keys \(lines 8-19 of 19\)(.|\n)*^Esc +show all jobs again\narrows")
    screen.tmux("resize-window", "-x", "60", "-y", "30")
    screen.wait_for(r"\A.*\n GPU (.*\n){3}keys\nq +leave")


# what keys do

@needs_tmux
def test_keys_act_on_all_waiting_tasks_of_an_array(tgpu_factory, screen_factory):
    tgpu = tgpu_factory(gpus="simulated:1")
    tgpu.submit("--array", "0-98", "--hold", "--", "true")
    screen = screen_factory(tgpu)
    screen.wait_for("0 running, 99 waiting")
    screen.wait_for(r"^. +1-99 true")
    screen.keys("Tab", "c")
    screen.wait_for(r"^cancel jobs 1-99 \(true\)\? y/n")
    screen.keys("y")
    screen.wait_for("^jobs 1-99 cancelled")
    assert tgpu.job(50)["state"] == "cancelled"


@needs_tmux
def test_c_cancels_that_job_after_a_question(busy, screen_factory):
    screen = screen_factory(busy)
    screen.wait_for(r"^ +4 four")
    screen.keys("Tab", "Down", "c")
    screen.wait_for(r"^cancel job 3 \(three\)\? y/n")
    screen.keys("n")
    screen.wait_for("^not cancelled")
    assert busy.job(3)["state"] == "queued"
    screen.keys("k", "j", "c")
    screen.wait_for(r"^cancel job 3 \(three\)\? y/n")
    screen.keys("y")
    screen.wait_for("^job 3 cancelled")
    screen.wait_until_gone(r"^. +3 three")
    assert busy.job(3)["state"] == "cancelled"
    assert [busy.job(job)["state"] for job in (1, 2, 4)] == ["running", "queued", "queued"]


@needs_tmux
def test_y_cancels_the_job_of_the_question_whatever_the_list_does(busy, screen_factory):
    screen = screen_factory(busy)
    screen.wait_for(r"^ +4 four")
    screen.keys("Tab", "c")
    screen.wait_for(r"^cancel job 2 \(two\)\? y/n")
    busy.cli("update", "4", "--priority", "100")
    screen.wait_for(r"^> +2 two(.|\n)*^cancel job 2 \(two\)\? y/n")
    busy.cli("cancel", "--now", "1")  # 4 and 2 begin, and the selection goes to what waits in their place
    screen.wait_for(r"^> +3 three(.|\n)*^cancel job 2 \(two\)\? y/n")
    screen.keys("y")
    screen.wait_for("^job 2 (cancelled|stopping)")
    assert busy.wait(2)["state"] == "cancelled"
    assert "cancelled" not in [busy.job(job)["state"] for job in (3, 4)]


@needs_tmux
def test_a_command_that_ends_does_not_hide_the_question(busy, screen_factory):
    gate = busy.dir / "gate"
    slow = busy.dir / "slow"
    slow.mkdir()
    # A tgpu whose answer to h waits for the gate: what a loaded daemon does to it.
    (slow / "tgpu").write_text(f'#!/bin/sh\nwhile ! [ -e {gate} ]; do sleep 0.02; done\nexec {TGPU} "$@"\n')
    (slow / "tgpu").chmod(0o755)
    screen = screen_factory(busy, f"{TGPU.parent}/tgpu-top {slow}/tgpu 2000; true")
    screen.wait_for(r"^ +4 four")
    screen.keys("Tab", "h", "c")
    screen.wait_for(r"^cancel job 2 \(two\)\? y/n")
    gate.touch()
    screen.wait_for(r"^. +2 two .* held(.|\n)*^cancel job 2 \(two\)\? y/n")
    screen.keys("n")
    screen.wait_for("^not cancelled")


@needs_tmux
def test_the_question_fits_whatever_the_job_is_called(tgpu_factory, screen_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    tgpu.submit("--gpus", "1", "--name", "x" * 100, "--", "sleep", "1000")
    screen = screen_factory(tgpu, width=50, height=20)
    screen.wait_for("^> +1 x+")
    screen.keys("c")
    text = screen.wait_for(r"^cancel job 1 \(x+\+\)\? y/n$")
    assert max(map(columns, text.splitlines())) == 50
    screen.keys("n", "BTab")  # of a GPU it is the job's name, not the GPU's
    screen.wait_for("^> +0 allocated")
    screen.keys("c")
    screen.wait_for(r"^cancel job 1 \(x+\+\)\? y/n$")


@needs_tmux
def test_h_holds_and_r_releases(busy, screen_factory):
    screen = screen_factory(busy)
    screen.wait_for(r"^ +4 four")
    screen.keys("h")
    screen.wait_for("^tgpu hold: job 1: ")
    screen.keys("Tab", "h")
    screen.wait_for("> +2 two .* held")
    assert busy.job(2)["held"]
    screen.keys("r")
    screen.wait_for("> +2 two .* free")
    assert not busy.job(2)["held"]


@needs_tmux
def test_the_selection_follows_the_job(busy, screen_factory):
    screen = screen_factory(busy)
    screen.wait_for(r"^ +4 four")
    screen.keys("Tab", "End")
    screen.wait_for(r"^> +4 four")
    busy.cli("update", "4", "--priority", "100")
    screen.wait_for(r"^> +4 four(.|\n)*^ +2 two")
    screen.keys("Down")
    screen.wait_for(r"^> +2 two")
    screen.keys("Home")
    screen.wait_for(r"^> +4 four")


@needs_tmux
def test_filter_and_sort(busy, screen_factory):
    screen = screen_factory(busy)
    screen.wait_for(r"^ +4 four")
    screen.keys("/", "T", "h", "x", "BSpace", "r")
    text = screen.wait_for("^filter: Thr_$")
    assert re.search(r"^ +3 three", text, re.M) and not re.search(r"two|four|train", text)
    screen.keys("Enter")
    text = screen.wait_for("^filter: Thr  Esc all  q quit")
    assert "; 1 running, 3 waiting " in text.splitlines()[0], "all of them, whatever is shown"
    screen.tmux("resize-window", "-x", "60", "-y", "24")
    screen.wait_for(r"^filter: Thr  Esc all  q quit .* \.\.\.$")
    screen.tmux("resize-window", "-x", "80", "-y", "24")
    screen.keys("Escape")
    screen.wait_for(r"^ +4 four")
    screen.keys("s")
    screen.wait_for("; by user")
    screen.keys("s")
    screen.wait_for("; by time")
    screen.keys("s")
    screen.wait_until_gone("; by ")


@needs_tmux
def test_why_details_and_help(busy, screen_factory):
    screen = screen_factory(busy)
    screen.wait_for(r"^ +4 four")
    screen.keys("Tab", "w")
    screen.wait(lambda text: "tgpu why 2\n" in text and "needs 1 GPU on one node" in text and "train" not in text,
                "why, in the place of the jobs")
    screen.keys("q")
    screen.wait_for(r"^> +2 two")
    screen.keys("Enter")
    screen.wait_for("^command +sleep 1000")
    screen.keys("Escape", "?")
    text = screen.wait_for("^keys")
    screen.keys("End")
    screen.wait_for("^Esc +show all jobs again")
    screen.keys("x")
    screen.wait_for(r"^> +2 two")


@needs_tmux
@pytest.mark.parametrize("key", ["q", "C-c"])
def test_l_follows_the_log_and_comes_back(tgpu_factory, screen_factory, key):
    tgpu = tgpu_factory(gpus="simulated:2")
    tgpu.submit("--gpus", "1", "--name", "talk", "--", "sh", "-c", "echo hello; exec sleep 1000")
    screen = screen_factory(tgpu)
    screen.wait_for(r"^> +1 talk .* running")
    screen.keys("l")
    screen.wait_for("^hello$")
    screen.keys(key)
    screen.wait_for(r"^> +1 talk")
    screen.keys("l")
    screen.wait_for("^hello$")
    tgpu.cli("cancel", "--now", "1")
    screen.wait_for("^-- that is all; q goes back --")
    screen.keys("q")
    screen.wait_for("0 running, 0 waiting")
    assert tgpu.job(1)["state"] == "cancelled"


# the daemon and the terminal

@needs_tmux
def test_it_says_that_the_daemon_is_gone_and_finds_it_again(busy, screen_factory):
    screen = screen_factory(busy)
    screen.wait_for(r"^ +4 four")
    busy.stop()
    text = screen.wait_for("^no daemon listens on .*")
    assert re.search(r"^> +1 train", text, re.M)
    screen.tmux("resize-window", "-x", "60", "-y", "15")
    message = f'no daemon listens on {busy.socket}; start one with "tgpu daemon start"; trying again'
    screen.wait(lambda text: message in " ".join(text.splitlines()), "the whole message")
    busy.start()
    screen.wait_until_gone("no daemon")
    new = busy.submit("--name", "later", "--gpus", "1", "--", "true")
    screen.wait_for(rf"^ +{new} later")


@needs_tmux
@pytest.mark.parametrize("how, code", [("q", 0), (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_it_gives_the_terminal_back(busy, screen_factory, how, code):
    screen = screen_factory(busy)
    screen.wait_for(r"^ +4 four")
    if how == "q":
        screen.keys("q")
    else:
        os.kill(screen.program(), how)
    text = screen.wait_for(f"^code={code}(.|\n)*iexten")
    assert " icanon" in text and " echo " in text and "-icanon" not in text
    assert screen.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{keypad_flag}").split() == ["0", "1", "0"]
