# SPDX-License-Identifier: MIT
"""examples/prometheus, and Prometheus itself at /metrics: what is asked for is there, alerts are right
and come when they should. A9."""

import contextlib
import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request

import pytest

from documents import TOP
from harness import (BUILD, EX_OK, PATIENCE, configuration, free_port, read_exactly, service,
                     wait_for)

EXAMPLES = TOP / "examples/prometheus"
ONE = {"min_workers": 1, "max_workers": 1, "spare_workers": 0}
PROMTOOL = pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool (prometheus)")
PROMETHEUS = pytest.mark.skipif(not shutil.which("prometheus"), reason="no prometheus")


@pytest.fixture
def control(tmp_path):
    return tmp_path / "control"


def serving(control, *services):
    return configuration(*services, service("status"), control=f"unix:{control}")


def families(control):
    done = subprocess.run([BUILD / "tcpdctl", "-s", control, "metrics"], capture_output=True,
                          text=True, timeout=PATIENCE, check=True)
    return dict(re.findall(r"^# TYPE (\w+) (\w+)$", done.stdout, re.M))


def expressions():
    """(where, expression) of all that is shipped."""
    for rule in re.findall(r"(?m)^ +expr: (.*)$", (EXAMPLES / "tcpd.rules.yml").read_text()):
        yield "tcpd.rules.yml", rule
    dashboard = json.loads((EXAMPLES / "tcpd-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        yield variable["name"], variable["query"]
    page = (TOP / "src/view/tcpd-metrics.7").read_text().partition("What to ask Prometheus")[2]
    for line in page.partition(".Bd")[2].partition(".Ed")[0].splitlines()[1:]:
        yield "tcpd-metrics.7", line


def test_each_family_is_there(tcpd, control):
    """No expression asks for what tcpd does not say."""
    with tcpd(serving(control, service("echo"))):
        known = families(control)
    names = {name for name, kind in known.items() if kind != "histogram"}
    names |= {name + end for name, kind in known.items() if kind == "histogram"
              for end in ("_bucket", "_count", "_sum")}
    asked = [(where, name) for where, text in expressions() for name in re.findall(r"\btcpd_\w+", text)]
    assert len(asked) > 25
    assert [(where, name) for where, name in asked if name not in names] == []


def test_the_page_has_each_family(tcpd, control):
    """tcpd-metrics(7): no more and no fewer."""
    with tcpd(serving(control, service("echo"))):
        known = families(control)
    page = (TOP / "src/view/tcpd-metrics.7").read_text()
    assert set(re.findall(r"(?m)^\.It Li (tcpd_\w+)$", page)) == set(known)


def test_dashboard():
    """Twelve panels beside each other, none with another's number or place."""
    dashboard = json.loads((EXAMPLES / "tcpd-dashboard.json").read_text())
    panels = dashboard["panels"]
    assert len(panels) == len({panel["id"] for panel in panels}) == 12
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == 12
    assert all(panel["title"] and panel["fieldConfig"]["defaults"]["unit"] for panel in panels)


@PROMTOOL
def test_rules():
    """Their own tests: each alert when it should be, and none when all is well."""
    for command in (["check", "rules", "tcpd.rules.yml"], ["test", "rules", "tcpd.rules.test.yml"]):
        done = subprocess.run(["promtool", *command], cwd=EXAMPLES, capture_output=True, text=True,
                              timeout=PATIENCE)
        assert done.returncode == EX_OK, done.stdout + done.stderr


class Server:
    """A Prometheus that scrapes one target each second."""

    CONFIGURATION = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: tcpd
    static_configs: [{{targets: ["127.0.0.1:{target}"]}}]
"""

    def __init__(self, folder, target):
        self.port = free_port()
        (folder / "prometheus.yml").write_text(self.CONFIGURATION.format(target=target))
        # As they are, but for how long something must last.
        rules = (EXAMPLES / "tcpd.rules.yml").read_text()
        (folder / "rules.yml").write_text(re.sub(r"for: \dm", "for: 0s", rules))
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def get(self, path):
        with contextlib.suppress(OSError), urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def ask(self, expression):
        """The values, as numbers."""
        data = self.get("query?" + urllib.parse.urlencode({"query": expression}))
        return [float(each["value"][1]) for each in data["result"]] if data else []

    def alerts(self):
        data = self.get("alerts")
        return {each["labels"]["alertname"] for each in data["alerts"]} if data else set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


@PROMETHEUS
def test_prometheus(tcpd, control, tmp_path):
    """It takes what it scrapes, knows each family, and raises the alert of a service at its maximum."""
    with tcpd(serving(control, service("echo", backlog=4, **ONE))) as daemon, (
            Server(tmp_path, daemon.ports["status"])) as server, contextlib.ExitStack() as held:
        wait_for(lambda: server.ask('up{job="tcpd"}') == [1], what="a scrape")
        [target] = server.get("targets")["activeTargets"]
        assert target["lastError"] == "" and target["health"] == "up"
        known = families(control)
        scraped = {name for name in server.get("label/__name__/values") if name.startswith("tcpd_")}
        assert {re.sub(r"_(bucket|count|sum)$", "", name) if name not in known else name
                for name in scraped} == set(known)
        for _ in range(20):
            assert daemon.is_serving()
        wait_for(lambda: (server.ask('rate(tcpd_sessions_begun_total{service="echo"}[10s])') or [0])[0] > 0,
                 what="a rate")
        first = held.enter_context(daemon.connect("echo"))
        first.sendall(b"x")
        assert read_exactly(first, 1) == b"x"
        for _ in range(4):
            held.enter_context(daemon.connect("echo"))
        wait_for(lambda: "TcpdQueueGrows" in server.alerts(), what="the alert")
        assert "TcpdDown" not in server.alerts()
        daemon.stop()
        wait_for(lambda: "TcpdDown" in server.alerts(), what="the alert of the end")
