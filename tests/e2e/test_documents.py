# SPDX-License-Identifier: MIT
"""Documents that say how things are done: what they show is done here."""
import json
import os
import pathlib
import re
import shlex
import subprocess

import pytest

from harness import BUILD, PATIENCE, ROOT, TGPU

SCHEDULER = ROOT / "scheduler"


def test_the_guide_to_the_scheduler_and_its_files_agree_on_the_reading_order():
    rows = re.findall(r"^\| \d+ \| `(\w+)` \|", (SCHEDULER / "README.md").read_text(), re.M)
    files = {file.stem for file in SCHEDULER.glob("*.c")}
    assert sorted(rows) == sorted(name for name in files if not name.startswith("policy_"))
    for name, following in zip(rows, [*rows[1:], None]):
        opening = (SCHEDULER / f"{name}.c").read_text().split("*/", 2)[1]
        found = re.search(r"Read next:[\s*]+(\w+)\.[ch]", opening)
        assert (found and found[1]) == following, f"{name}.c"


def anchors(page):
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_between_documents_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), SCHEDULER / "README.md"]:
        for name, anchor in re.findall(r"\]\(([^):#]*)#?([^):]*)\)", page.read_text()):
            target = page.parent / name if name else page
            assert target.exists(), f"{page.name}: {name}"
            assert not anchor or anchor in anchors(target), f"{page.name}: {name}#{anchor}"


def test_which_commands_have_no_json():
    pages = [re.search(r"Every command takes `--json` but (.*?)\.", (ROOT / "README.md").read_text(), re.S)[1],
             re.search(r"^\.Fl -json\nbut\n(.*?) \.$", (ROOT / "man" / "tgpu.1").read_text(), re.M | re.S)[1]]

    def ask(*words):
        return subprocess.run([TGPU, *words], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout

    verbs = [line.split("\t")[0] for line in ask("complete", "").splitlines()]
    without = [verb for verb in verbs if "--json" not in ask("help", verb).split("Options:")[1]]
    for page in pages:
        assert [word for word in re.findall(r"\w+", page) if word not in ("and", "Cm")] == without


class Reader:
    """Does what docs/write-a-policy.md says, on copies of the files that it changes."""

    def __init__(self, tree):
        self.tree = tree

    def write(self, name, text):
        file = self.tree / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)

    def edit(self, name, diff):
        """Put the lines with a plus behind those without, which must be there once."""
        file = self.tree / name
        text = file.read_text() if file.exists() else (ROOT / name).read_text()
        lines = diff.splitlines()
        place = "".join(f"{line[1:]}\n" for line in lines if line[0] == " ")
        assert text.count(place) == 1, f"{name}: {place}"
        self.write(name, text.replace(place, place + "".join(f"{line[1:]}\n" for line in lines if line[0] == "+")))

    def build(self):
        """tgpu-sim from the changed files, and from the build directory's libraries."""
        commands = json.loads((BUILD / "compile_commands.json").read_text())
        (command,) = [entry["command"] for entry in commands if entry["file"] == "../simulator/main.c"]
        words = shlex.split(command)
        compiler, flags = words[0], words[1:words.index("-MD")]
        libraries = re.search(r"^build simulator/tgpu-sim: .*?\n LINK_ARGS = (.*?)$",
                              (BUILD / "build.ninja").read_text(), re.M | re.S)[1].split()
        sources = [entry["file"] for entry in commands if entry["output"].startswith("simulator/tgpu-sim.p/")]
        subprocess.run([compiler, f"-I{self.tree}", *flags, "-Werror", *sources, *self.tree.glob("*/*.c"), *libraries,
                        "-o", self.tree / "tgpu-sim"], cwd=BUILD, check=True, timeout=PATIENCE)

    def run(self, words, shown):
        self.build()
        done = subprocess.run([self.tree / "tgpu-sim", *shlex.split(words)], cwd=ROOT, capture_output=True, text=True,
                              timeout=PATIENCE, check=True)
        assert done.stdout == re.sub("^    ", "", shown, flags=re.M), words


def test_the_policies_of_the_tutorial_work(tmp_path):
    text = (ROOT / "docs" / "write-a-policy.md").read_text()
    step = re.compile(r"`([\w/]+\.[ch])`:\n\n```(c|diff)\n([\s\S]*?)```\n|^    \$ tgpu-sim (.*)\n((?:    .*\n)+)", re.M)
    reader = Reader(pathlib.Path(tmp_path))
    done = []
    for name, kind, block, words, shown in step.findall(text):
        if kind == "c":
            reader.write(name, block)
        elif kind == "diff":
            reader.edit(name, block)
        else:
            reader.run(words, shown)
        done.append(kind or "run")
    assert (done.count("c"), done.count("diff"), done.count("run")) == (text.count("```c\n"), text.count("```diff\n"), 3)


@pytest.mark.skipif(BUILD != ROOT / "build", reason="the demo runs what is in build/")
def test_the_demo_takes_nothing_from_its_user(tmp_path):
    """Neither his daemon nor a configuration of his, here one that no daemon would start with."""
    config = tmp_path / "tgpu" / "tgpu.conf"
    config.parent.mkdir()
    config.write_text("nonsense = 1\n")
    # By CI the demo knows which build is meant: another would take the programs away from the tests beside this one.
    env = {"CI": os.environ.get("CI", "false"), "PATH": os.environ["PATH"], "HOME": str(tmp_path),
           "XDG_CONFIG_HOME": str(tmp_path), "TGPU_CONFIG": str(config), "TGPU_GPUS": "simulated:4",
           "TGPU_SOCKET": str(tmp_path / "none"), "TGPU_STATE_DIR": str(tmp_path / "none")}
    done = subprocess.run([ROOT / "script" / "demo"], env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" on GPUs 0,1,2,3") == 6 and not (tmp_path / "none").exists()


def test_the_way_out_of_damage_names_the_version_of_the_store():
    steps = len(list((ROOT / "store" / "schema").glob("*.sql")))
    text = (ROOT / "docs" / "reliability.md").read_text()
    assert re.findall(r"user_version = (\d+)", text) == [str(steps)]
