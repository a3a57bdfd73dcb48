# SPDX-License-Identifier: MIT
"""GET /metrics: both formats to the letter, numbers that agree with what happened, and the way in over TCP."""
import json
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from harness import PATIENCE, ROOT, UnixConnection

pytestmark = pytest.mark.sanitize
FIXTURES = ROOT / "tests" / "fixtures"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
NEEDS_PROMTOOL = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool (package prometheus) is not installed")
SUFFIXES = {"gauge": [""], "counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}


def scrape(tgpu, accept=OPEN):
    connection = UnixConnection(tgpu.socket)
    try:
        connection.request("GET", "/metrics", headers={"Accept": accept} if accept else {})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.getheader("Content-Type"), answer.read().decode()
    finally:
        connection.close()


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match and match[1] not in labels, text
        labels[match[1]], at = match[2], match.end()
    return tuple(sorted(labels.items()))


def parse(text):
    """OpenMetrics, strictly: {(name, labels): value}."""
    assert text.endswith("# EOF\n") and "\n\n" not in text
    samples, families, family, kind, unit = {}, set(), None, None, None
    for line in text.splitlines()[:-1]:
        if line.startswith("# HELP "):
            family, kind, unit = line.split(" ", 3)[2], None, None
            assert family not in families, f"{family} comes twice"
            families.add(family)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family and kind in SUFFIXES and not name.endswith("_total")
        elif line.startswith("# UNIT "):
            _, _, name, unit = line.split(" ")
            assert name == family and name.endswith("_" + unit)
        else:
            name, _, labels, value = SAMPLE.match(line).groups()
            assert name[len(family):] in SUFFIXES[kind] and name.startswith(family), line
            key = (name, parse_labels(labels or ""))
            assert key not in samples, f"{key} comes twice"
            samples[key] = float(value)
            assert kind == "gauge" or samples[key] >= 0
    return samples


def value(samples, name, **labels):
    """The one sample of this name with these labels (and maybe others)."""
    found = [v for (n, l), v in samples.items() if n == name and labels.items() <= dict(l).items()]
    assert len(found) == 1, f"{name} {labels}: {found}"
    return found[0]


def check_histograms(samples):
    for name, _ in list(samples):
        if not name.endswith("_bucket"):
            continue
        base = name[:-len("_bucket")]
        rows = sorted((float(dict(l)["le"]), v) for (n, l), v in samples.items() if n == name)
        assert [v for _, v in rows] == sorted(v for _, v in rows) and rows[-1][0] == float("inf")
        assert rows[-1][1] == value(samples, base + "_count")


def test_the_format_is_open_metrics(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    tgpu.wait(tgpu.submit("--gpus", "1", "-J", 'a "quoted" \\ name', "--", "true"))
    kind, text = scrape(tgpu)
    assert kind == OPEN
    check_histograms(parse(text))
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    assert len(list(parser.text_string_to_metric_families(text))) == text.count("# TYPE ")


@NEEDS_PROMTOOL
def test_promtool_has_nothing_to_say(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    tgpu.wait(tgpu.submit("--gpus", "1", "--", "true"))
    kind, text = scrape(tgpu, accept=None)
    assert kind == PLAIN
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stdout + done.stderr, done.stdout + done.stderr


def test_numbers_agree_with_what_happened(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:4")
    assert value(parse(scrape(tgpu)[1]), "tgpu_gpus", state="idle") == 4
    tgpu.wait(tgpu.submit("--", "true"))
    tgpu.wait(tgpu.submit("--", "cmd=exit 3"))
    tgpu.wait(tgpu.submit("--", "cmd=kill -9 $$"))
    tgpu.wait(tgpu.submit("--", "/nonexistent/program"))
    running = tgpu.submit("--gpus", "3", "--", "sleep", "1000")
    tgpu.wait_for_state(running, "running")
    tgpu.submit("--gpus", "4", "--", "true")
    tgpu.submit("--gpus", "4", "--", "true")
    tgpu.submit("--hold", "--", "true")
    tgpu.submit("--begin", "now+1h", "--", "true")
    cancelled = tgpu.submit("--hold", "--", "true")
    tgpu.cli("cancel", str(cancelled))
    array = tgpu.submit("--array", "1-5", "--hold", "--", "true")
    tgpu.cli("cancel", f"{array}-{array + 4}")
    samples = parse(scrape(tgpu)[1])
    check_histograms(samples)
    for result, n in (("finished", 1), ("exit", 1), ("signal", 1), ("launch", 1), ("cancelled", 6), ("oom", 0)):
        assert value(samples, "tgpu_jobs_ended_total", result=result) == n, result
    for state, n in (("running", 1), ("queued", 3), ("held", 1), ("starting", 0), ("stopping", 0)):
        assert value(samples, "tgpu_jobs", state=state) == n, state
    for reason, n in (("resources", 2), ("held", 1), ("begin", 1), ("other", 0), ("unavailable", 0)):
        assert value(samples, "tgpu_queue_jobs", reason=reason) == n, reason
    assert value(samples, "tgpu_job_submissions_total") == 15
    assert value(samples, "tgpu_job_wait_seconds_count") == 4 and value(samples, "tgpu_job_run_seconds_count") >= 3
    assert value(samples, "tgpu_gpus", state="allocated") == 3 and value(samples, "tgpu_gpus", state="idle") == 1
    held = [dict(labels) for (name, labels) in samples if name == "tgpu_gpu_job_info"]
    assert len(held) == 3 and {labels["job_id"] for labels in held} == {str(running)}
    assert value(samples, "tgpu_store_commit_seconds_count") > 10 and value(samples, "tgpu_scheduler_pass_seconds_count") > 5
    assert value(samples, "tgpu_http_requests_total", code="2xx") > 10
    assert value(samples, "tgpu_illegal_events_total") == 0
    status, _ = tgpu.api("GET", "/v1/nowhere")
    assert status == 404 and value(parse(scrape(tgpu)[1]), "tgpu_http_requests_total", code="4xx") == 1
    tgpu.cli("requeue", "--now", str(running))
    tgpu.wait_until(running, lambda shown: shown["attempt"] == 2, "running again")
    assert value(parse(scrape(tgpu)[1]), "tgpu_job_requeues_total", cause="requeued") == 1


def test_many_shapes_stay_bounded(tgpu_factory):
    tgpu = tgpu_factory(gpus="simulated:8")
    tgpu.submit("--gpus", "8", "--", "sleep", "1000")
    for mem in range(1, 71):
        tgpu.api("POST", "/v1/jobs", {"command": "true", "cwd": "/", "env": {}, "num_gpus": 8, "gpu_mem": mem << 20})
    samples = parse(scrape(tgpu)[1])
    assert value(samples, "tgpu_queue_jobs", reason="other") == 6
    assert value(samples, "tgpu_queue_jobs", reason="resources") == 64


def test_what_nvml_tells_is_there_in_base_units(tgpu_factory, tmp_path):
    machine = tmp_path / "machine.nvml"
    machine.write_text((FIXTURES / "dgx1v.nvml").read_text() + "util 2 55\npower 2 123000\nenergy 2 5000\n"
                       "hide nvmlDeviceGetTemperature\n")
    samples = parse(scrape(tgpu_factory(fake_nvml=machine))[1])
    assert value(samples, "tgpu_gpu_utilization_ratio", gpu="2") == 0.55
    assert value(samples, "tgpu_gpu_power_watts", gpu="2") == 123
    assert value(samples, "tgpu_gpu_energy_joules_total", gpu="2") == 5
    assert value(samples, "tgpu_gpu_memory_total_bytes", gpu="2") == 16160 << 20
    assert not [name for name, _ in samples if "celsius" in name], "unknown is absent"
    assert value(samples, "tgpu_gpu_info", gpu="0", simulated="false") == 1


def test_simulated_gpus_without_sensors_have_no_numbers(tgpu_factory):
    samples = parse(scrape(tgpu_factory(gpus="simulated:2"))[1])
    assert not [name for name, _ in samples if "utilization" in name or "power" in name or "energy" in name]
    assert value(samples, "tgpu_gpu_info", gpu="0", simulated="true") == 1


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(port, path="/metrics", token=None, data=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=data)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_over_tcp_there_is_this_and_nothing_else(tgpu_factory):
    port = free_port()
    tgpu = tgpu_factory(config=f"metrics_listen = 127.0.0.1:{port}\n")
    status, text = fetch(port)
    assert status == 200 and "tgpu_build_info{" in text
    assert fetch(port, "/v1/status")[0] == 404 and fetch(port, "/v1/jobs", data=b"{}")[0] == 404
    assert fetch(port, data=b"{}")[0] == 405
    assert value(parse(scrape(tgpu)[1]), "tgpu_job_submissions_total") == 0


def test_a_token_is_asked_for(tgpu_factory, tmp_path):
    port = free_port()
    (tmp_path / "token").write_text("s3cret\n")
    tgpu_factory(config=f"metrics_listen = 127.0.0.1:{port}\nmetrics_token_file = {tmp_path}/token\n")
    assert fetch(port)[0] == 401 and fetch(port, token="s3cre")[0] == 401 and fetch(port, token="s3crets")[0] == 401
    assert fetch(port, token="s3cret")[0] == 200


@pytest.mark.parametrize("line, word", [
    ("metrics_listen = 0.0.0.0:9400", "loopback"), ("metrics_listen = 9400", "no address"),
    ("metrics_listen = 127.0.0.1:99999", "no address"), ("metrics_token_file = token", "absolute path")])
def test_it_listens_nowhere_else(tgpu_factory, line, word):
    tgpu = tgpu_factory()
    tgpu.stop()
    tgpu.config.write_text(line + "\n")
    process, said = tgpu.spawn_daemon()
    assert process.wait(PATIENCE) != 0 and word in said


def test_a_stalled_reader_keeps_nobody_out(tgpu_factory):
    port = free_port()
    tgpu_factory(config=f"metrics_listen = 127.0.0.1:{port}\n")
    stalled = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
    assert fetch(port)[0] == 200
    for client in stalled:
        client.close()


def families(text):
    """{name without suffix: kind}"""
    return dict(line.split(" ")[2:4] for line in text.splitlines() if line.startswith("# TYPE "))


def test_the_page_names_what_there_is(tgpu_factory, tmp_path):
    machine = tmp_path / "machine.nvml"
    machine.write_text((FIXTURES / "dgx1v.nvml").read_text() + "util 0 55\npower 0 123000\nenergy 0 5000\n")
    tgpu = tgpu_factory(fake_nvml=machine)
    tgpu.wait_for_state(tgpu.submit("--gpus", "1", "--", "sleep", "1000"), "running")
    text = scrape(tgpu)[1]
    labels = {}
    for name, pairs in parse(text):
        labels.setdefault(name, set()).update(key for key, _ in pairs)
    page = (ROOT / "docs/monitoring.md").read_text()
    told = re.findall(r"`(tgpu_\w+)(?:\{([\w,]+)\})?`", page[page.index("## Prometheus"):page.index("No label grows")])
    known = {name + ("_total" if kind == "counter" else ""): kind for name, kind in families(text).items()}
    assert sorted(name for name, _ in told) == sorted(known)
    for name, words in told:
        found = labels.get(name + ("_count" if known[name] == "histogram" else ""), set())
        assert set(words.split(",")) - {""} == found - {"gpu", "uuid"}, name


def test_dashboard_and_alerts_use_what_there_is(tgpu_factory):
    text = scrape(tgpu_factory(gpus="simulated:1"))[1]
    known = {name + suffix for name, kind in families(text).items() for suffix in SUFFIXES[kind]}
    values = {(name, *pair) for name, labels in parse(text) for pair in labels}
    dashboard = json.loads((ROOT / "packaging/grafana/tgpu.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    alerts = (ROOT / "packaging/prometheus/alerts.yml").read_text()
    assert len(queries) >= 14
    for query in (*queries, alerts):
        for name in re.findall(r"\btgpu_[a-z_]+", query):
            assert name in known, f"{name} in {query}"
    selectors = re.findall(r'(tgpu_\w+)\{(\w+)=~?"([^"]+)"', alerts)
    assert len(selectors) >= 7
    for name, label, choice in selectors:
        for word in choice.split("|"):
            assert (name, label, word) in values, f'{name}{{{label}="{word}"}}'


def promtool(*words):
    return subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=PATIENCE, check=False)


@NEEDS_PROMTOOL
def test_promtool_accepts_the_alerts():
    done = promtool("check", "rules", ROOT / "packaging/prometheus/alerts.yml")
    assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr


@NEEDS_PROMTOOL
def test_alerts_fire_when_they_must_and_not_else():
    done = promtool("test", "rules", FIXTURES / "alerts.test.yml")
    assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr


def test_each_alert_has_its_test():
    rules = re.findall(r"^ +- alert: (\w+)", (ROOT / "packaging/prometheus/alerts.yml").read_text(), re.M)
    tests = (FIXTURES / "alerts.test.yml").read_text()
    assert rules and all(f"alertname: {rule}\n" in tests for rule in rules)
