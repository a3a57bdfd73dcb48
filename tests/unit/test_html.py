#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Pictures of replays, as html_sample writes them: TAP. Well-formed, escaped, self-contained, bounded, to scale."""
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

SAMPLE = sys.argv[1]
HOSTILE = "<script>alert(\"1\" & '2')</script> \ufffd\ufffd\ufffd café"
SVG = "{http://www.w3.org/2000/svg}"


def sample(*args):
    return subprocess.run([SAMPLE, *map(str, args)], check=True, capture_output=True, timeout=60).stdout.decode()


def rects(svg):
    """(x, y, width, height, id) of every job's rectangles."""
    for group in svg.iter(SVG + "g"):
        job = int(re.match(r"job (\d+):", group.find(SVG + "title").text)[1])
        for rect in group.iter(SVG + "rect"):
            yield *(float(rect.get(key)) for key in ("x", "y", "width", "height")), job


def test_page_is_well_formed_and_escaped():
    text = sample("html", 50, 2, 8, 3000)
    page = ElementTree.fromstring(text)
    assert page.find("head/title").text == "Sample " + HOSTILE
    assert page.find("body/p").text == HOSTILE
    assert page.findall(".//td")[2].text == HOSTILE
    assert "<script" not in text


def test_page_needs_nothing_else():
    text = sample("html", 50, 2, 8, 3000)
    assert not re.search(r"(src|href)=|@import|url\(", text)
    assert set(re.findall(r"https?://[^\"]*", text)) == {"http://www.w3.org/2000/svg"}
    assert "prefers-color-scheme:dark" in text


def test_page_has_a_chart_for_each_policy_that_can_have_one():
    page = ElementTree.fromstring(sample("html", 50, 2, 8, 3000))
    labels = [svg.get("aria-label") for svg in page.iter(SVG + "svg") if svg.get("aria-label")]
    assert labels == ["waiting jobs over time", "GPUs in use over time", "fifo", "fjf " + HOSTILE]
    assert "Jobs move; " + HOSTILE in [p.text for p in page.iter("p")]


def test_every_gpu_of_every_job_is_drawn_and_none_twice():
    svg = ElementTree.fromstring(sample("svg", 40, 1, 8, 6000))
    found = sorted(rects(svg))
    assert {job for *_, job in found} == set(range(1, 41)) - no_place(svg)
    row = 24
    for i, (x, y, width, height, _) in enumerate(found):
        assert (y - 36) % row == 0 and 0 < height <= 8 * row and x >= 64 and x + width <= 948.1
        for x2, y2, width2, height2, _ in found[i + 1:]:
            assert x2 >= x + width - 0.11 or y2 >= y + height or y >= y2 + height2 or min(width, width2) < 1


def no_place(svg):
    """Jobs larger than the cluster (16 GPUs of 8), and those that are too short to be seen."""
    drawn = {job for *_, job in rects(svg)}
    missing = set(range(1, 41)) - drawn
    assert len(missing) < 12
    return missing


def test_short_jobs_are_shaded_instead():
    svg = ElementTree.fromstring(sample("svg", 20000, 4, 8, 5000))
    drawn = list(rects(svg))
    shades = [path for path in svg.iter(SVG + "path") if path.get("class") == "occ"]
    assert 0 < len(drawn) <= 3000 and shades
    assert min(width for _, _, width, _, _ in drawn) >= 0.5


def test_thin_rows_are_shaded():
    svg = ElementTree.fromstring(sample("svg", 2000, 200, 8, 100))
    assert not list(rects(svg))
    assert any(path.get("class") == "occ" and path.get("d") for path in svg.iter(SVG + "path"))


def test_lines_keep_their_peaks():
    page = ElementTree.fromstring(sample("html", 20000, 20, 8, 900))
    plot = next(svg for svg in page.iter(SVG + "svg") if svg.get("aria-label") == "waiting jobs over time")
    paths = {path.get("class"): path.get("d") for path in plot.iter(SVG + "path")}
    assert sum(paths[name].count("L") for name in ("c0", "line l0")) <= 1000
    top, step = (int(plot.findall(SVG + "text[@class='end']")[i].text) for i in (-1, 1))
    peak = min(float(y) for y in re.findall(r"L\S+ ([\d.]+)", paths["c0"]))
    assert 8 <= peak < 8 + 170 * step / top, (peak, top, step)
    assert min(float(y) for y in re.findall(r"L\S+ ([\d.]+)", paths["line l0"])) > peak


def test_size_is_bounded():
    assert len(sample("html", 100000, 20, 8, 1000)) < 2_000_000
    assert len(sample("svg", 100000, 1, 8, 40000)) < 1_000_000


def test_nothing_to_draw():
    for args in (("html", 0, 1, 8, 1), ("svg", 0, 1, 8, 1), ("svg", 1, 1, 1, 1)):
        ElementTree.fromstring(sample(*args))


def main():
    tests = [(name, function) for name, function in globals().items() if name.startswith("test_")]
    print(f"1..{len(tests)}")
    failed = 0
    for number, (name, function) in enumerate(tests, 1):
        try:
            function()
            print(f"ok {number} - {name}")
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {name}\n# {error!r} at line {error.__traceback__.tb_next.tb_lineno}")
    sys.exit(failed > 0)


main()
