# SPDX-License-Identifier: MIT
"""What TAB says: `tgpu complete`, and the shells that ask it, each as a person would use it."""
import os
import pty
import pwd
import re
import selectors
import shutil
import subprocess
import time

import pytest

from harness import PATIENCE, ROOT, TGPU

COMPLETIONS = ROOT / "completions"
DECORATION = re.compile("\x1b\\[[0-9;?]*[A-Za-z]|\0")


def complete(tgpu, *words):
    """{candidate: explanation}"""
    done = tgpu.cli("complete", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(line.split("\t") for line in done.stdout.splitlines())


@pytest.fixture
def queue(tgpu_factory):
    """Job 1 runs on both GPUs, 2 waits, 3 is held, 4 has ended."""
    tgpu = tgpu_factory(gpus="simulated:2")
    tgpu.submit("--gpus", "2", "--name", "a b:c", "--", "sleep", "1000")
    tgpu.submit("--gpus", "1", "--name", "waits", "--", "true")
    tgpu.submit("--hold", "--name", "held", "--", "true")
    tgpu.submit("--name", "ended", "--", "true")
    tgpu.wait_for_state(1, "running")
    tgpu.wait(4)
    return tgpu


CANDIDATES = [
    (["sub"], ["submit"]),
    (["he"], ["help"]),
    (["help", "requ"], ["requeue"]),
    (["no-such-verb", ""], []),
    (["submit", "--gpu"], ["--gpus", "--gpu-type", "--gpu-mem"]),
    (["submit", "--no-h"], ["--no-hold"]),
    (["submit", "--hold", "--no-req"], ["--no-requeue"]),
    (["submit", "--gpus", ""], []),
    (["submit", "--signal", "USR"], ["USR1", "USR2"]),
    (["submit", "--signal=USR"], ["--signal=USR1", "--signal=USR2"]),
    (["submit", "--gpu-type", ""], ["GPU"]),
    (["list", "-s", "fi"], ["finished"]),
    (["list", "--state", "queued,f"], ["queued,finished", "queued,failed"]),
    (["list", "--user", "roo"], ["root"]),
    (["daemon", ""], ["start", "status", "stop", "restart"]),
    (["gpus", ""], []),
    (["drain", ""], ["0", "1", "all"]),
    (["drain", "0", "--reason", ""], []),
    (["cancel", ""], ["3", "2", "1"]),
    (["cancel", "2,"], ["2,3", "2,2", "2,1"]),
    (["cancel", "l"], ["last"]),
    (["hold", ""], ["2"]),
    (["release", "--", ""], ["3"]),
    (["requeue", ""], ["1"]),
    (["logs", "-f", ""], ["4", "3", "2", "1"]),
    (["submit", "--notify", ""], ["start", "end", "fail"]),
    (["submit", "--notify=end,f"], ["--notify=end,fail"]),
    (["submit", "--array", ""], []),
    (["submit", "--after", ""], ["3", "2", "1"]),
    (["submit", "--after", "1,"], ["1,3", "1,2", "1,1"]),
    (["submit", "--after", "a"], ["afterok:", "afterany:", "afternotok:"]),
    (["submit", "-d", "afterok:"], ["afterok:3", "afterok:2", "afterok:1"]),
    (["run", "--after=afterok:1,afterany:2"], ["--after=afterok:1,afterany:2"]),
    (["run", "--after=afterok:1,aftern"], ["--after=afterok:1,afternotok:"]),
    (["stats", "--by", ""], ["user", "name", "day"]),
    (["events", "--job", ""], ["4", "3", "2", "1"]),
    (["events", "--job=4,"], ["--job=4,4", "--job=4,3", "--job=4,2", "--job=4,1"]),
    (["resume", ""], []),
    (["unreserve", ""], []),
]

LEFT_TO_THE_SHELL = [
    (["submit", ""], "@files"),
    (["submit", "-o", ""], "@files"),
    (["submit", "--output=lo"], "@files"),
    (["submit", "-D", ""], "@dirs"),
    (["submit", "train.sh", "--"], "@files"),
    (["submit", "--gpus", "2", "--", ""], "@command 4"),
    (["run", "--", "python", "--"], "@command 2"),
]


def test_candidates(queue):
    for words, wanted in CANDIDATES:
        assert list(complete(queue, *words)) == wanted, words
    for words, told in LEFT_TO_THE_SHELL:
        assert queue.cli("complete", *words).stdout == told + "\n", words


def test_candidates_are_explained(queue):
    assert complete(queue, "cancel", "1") == {"1": "running, a b:c"}
    assert complete(queue, "release", "") == {"3": "held, held"}
    assert complete(queue, "drain", "0") == {"0": "allocated, Simulated GPU"}
    assert complete(queue, "submit", "--prio") == {"--priority": "larger goes first, -1000 to 1000 (default 0)"}


def test_gpus_and_reservations(tgpu_factory):
    """Twelve GPUs, so that text would be sorted otherwise; only what is drained can be resumed."""
    tgpu = tgpu_factory(gpus="simulated:12")
    gpus = [str(index) for index in range(12)]
    assert list(complete(tgpu, "drain", "")) == [*gpus, "all"] and complete(tgpu, "resume", "") == {}
    assert tgpu.cli("drain", "2", "10").returncode == 0
    assert complete(tgpu, "resume", "") == {"2": "drained, Simulated GPU", "10": "drained, Simulated GPU",
                                            "all": "every one of them"}
    assert list(complete(tgpu, "drain", "")) == [*gpus, "all"]
    for words in (["--gpus", "gpu0,gpu1", "--reason", "course"], ["--gpus", "gpu3"]):
        assert tgpu.cli("reserve", *words, "--for", "2h").returncode == 0
    me = pwd.getpwuid(os.geteuid()).pw_name
    assert complete(tgpu, "unreserve", "") == {"1": f"gpu0,gpu1 (simulated) for {me}: course",
                                               "2": f"gpu3 (simulated) for {me}"}
    assert list(complete(tgpu, "unreserve", "1,")) == ["1,1", "1,2"]


def test_every_option_is_offered(queue):
    for verb in complete(queue, ""):
        offered = complete(queue, verb, "--")
        assert offered and all(name.split()[0] in queue.cli("help", verb).stdout.replace("[no-]", "")
                               for name in offered)


def test_completion_starts_no_daemon(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:2")
    state = tgpu.dir / "nothing"
    done = tgpu.cli("complete", "cancel", "", env={"TGPU_STATE_DIR": str(state), "TGPU_SOCKET": ""})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not state.exists()


# the shells

class Terminal:
    """A shell that somebody types into."""

    def __init__(self, tgpu, *argv):
        env = {**tgpu.env, "PATH": f"{TGPU.parent}:{tgpu.env['PATH']}", "TERM": "vt100", "COLUMNS": "80", "PS1": "> "}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(tgpu.dir)
            os.execvpe(argv[0], argv, env)
        self.seen = ""

    def type(self, text):
        self.seen = ""
        os.write(self.fd, text.encode())

    def expect(self, *texts):
        """Wait until all of these have been shown since the last words were typed."""
        deadline = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self.fd, selectors.EVENT_READ)
            while not all(text in self.seen for text in texts):
                assert selector.select(max(0, deadline - time.monotonic())), f"{texts} not in {self.seen!r}"
                self.seen = DECORATION.sub("", self.seen + os.read(self.fd, 65536).decode(errors="replace"))

    def close(self):
        os.kill(self.pid, 9)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def need(shell):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")


def bash(tgpu):
    need("bash")
    terminal = Terminal(tgpu, "bash", "--norc", "--noprofile", "-i")
    terminal.type(f"bind 'set show-all-if-ambiguous on'; source {COMPLETIONS}/tgpu.bash; echo re''ady\n")
    return terminal


def zsh(tgpu):
    need("zsh")
    terminal = Terminal(tgpu, "zsh", "-f", "-i")
    terminal.type(f"fpath=({COMPLETIONS} $fpath); autoload -Uz compinit; compinit -u -D; echo re''ady\n")
    return terminal


@pytest.mark.parametrize("shell", [bash, zsh])
def test_typing_into_a_shell(queue, shell):
    (queue.dir / "a-job.yaml").touch()
    terminal = shell(queue)
    try:
        terminal.expect("ready")
        for typed, shown in [
            ("tgpu subm\t", ["tgpu submit"]),
            ("tgpu release \t", ["tgpu release 3"]),
            ("tgpu cancel \t", ["running, a b:c", "held, held"]),
            ("tgpu list --state=que\t", ["queued"]),
            ("tgpu submit --after aftern\t3 --hol\t", ["--after afternotok:3 --hold "]),
            ("tgpu list --state queued,fin\t", ["queued,finished"]),
            ("tgpu submit a-j\t", ["a-job.yaml"]),
            ("tgpu submit --gpus 2 -- readlin\t", ["-- readlink"]),
        ]:
            terminal.type("\x15" + typed)  # Ctrl-U: an empty line
            terminal.expect(*shown)
    finally:
        terminal.close()


def test_zsh_keeps_the_order(tgpu_factory):
    terminal = zsh(tgpu_factory(gpus="simulated:12"))
    try:
        terminal.expect("ready")
        terminal.type("tgpu drain \t")
        terminal.expect("every GPU")
        assert re.findall(r"^(\d+) +-- idle", terminal.seen, re.M) == [str(index) for index in range(12)]
    finally:
        terminal.close()


def test_bash_takes_what_was_completed(queue):
    """The line as bash has it after TAB, not as it is shown: "=" and several candidates are its own ways."""
    need("bash")
    script = f"""
        compopt() {{ echo "$@"; }}
        source {COMPLETIONS}/tgpu.bash
        _command_offset() {{ echo "offset $1"; }}
        ask() {{
            COMP_LINE=$1 COMP_WORDS=() COMP_CWORD=-1
            shift
            for word; do COMP_WORDS[++COMP_CWORD]=$word; done
            _tgpu tgpu
            printf '[%s]\\n' "${{COMPREPLY[@]}}"
        }}
        ask 'tgpu list --state=que' tgpu list --state = que
        ask 'tgpu list --state=queued,fin' tgpu list --state = queued,fin
        ask 'tgpu submit --after afterok:' tgpu submit --after afterok : ''
        ask 'tgpu submit --after=afterok:2,afterany:3' tgpu submit --after = afterok : 2,afterany : 3
        ask 'tgpu submit --begin 14:00 --hol' tgpu submit --begin 14 : 00 --hol
        ask 'tgpu release ' tgpu release ''
        ask 'tgpu submit -o ' tgpu submit -o ''
        ask 'tgpu submit --gpus=2 -- shuf' tgpu submit --gpus = 2 -- shuf
        unset -f _command_offset
        ask 'tgpu submit -- shuf' tgpu submit -- shuf
        ask 'tgpu submit --after aftern' tgpu submit --after aftern
        COMP_WORDBREAKS=${{COMP_WORDBREAKS//:}}
        ask 'tgpu submit --after afterany:3' tgpu submit --after afterany:3
        ask 'tgpu cancel ' tgpu cancel ''
    """
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True,
                          env={**queue.env, "PATH": f"{TGPU.parent}:{queue.env['PATH']}", "COLUMNS": "40"})
    lines = done.stdout.splitlines()
    jobs = [f"[{text:39}]" for text in ("3             held, held", "2             queued, waits",
                                        "1             running, a b:c")]
    assert lines == ["[queued]", "[queued,finished]", *jobs, "[3]", "[--hold]", "[3]", "-o default", "[]",
                     "offset 6", "[]", "[shuf]", "-o nospace", "[afternotok:]", "[afterany:3]", *jobs]


def test_fish(queue):
    need("fish")
    (queue.dir / "a-job.yaml").touch()

    def ask(line):
        script = f"set -p fish_complete_path {COMPLETIONS}; complete -C '{line}'"
        return subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True,
                              cwd=queue.dir, timeout=PATIENCE,
                              env={**queue.env, "PATH": f"{TGPU.parent}:{queue.env['PATH']}"}).stdout.splitlines()

    assert ask("tgpu subm") == ["submit\tput a job in line"]
    assert ask("tgpu cancel ") == ["3\theld, held", "2\tqueued, waits", "1\trunning, a b:c"]
    assert ask("tgpu submit --after afterok:") == ["afterok:3\theld, held", "afterok:2\tqueued, waits",
                                                   "afterok:1\trunning, a b:c"]
    assert ask("tgpu list --state=queued,fin") == ["--state=queued,finished\tended with exit code 0"]
    assert [line.split("\t")[0] for line in ask("tgpu submit a-j")] == ["a-job.yaml"]
    assert "shuf" in [line.split("\t")[0] for line in ask("tgpu submit --gpus 2 -- shu")]
