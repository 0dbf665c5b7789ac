# SPDX-License-Identifier: MIT
"""tcpdctl drain, ready, maint: what agents tell of it, who is told of it, how long it lasts."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import documents
from harness import (EX_CONFIG, EX_UNAVAILABLE, EX_USAGE, PATIENCE, can_become_others, configuration,
                     free_port, read_exactly, run, service, wait_for)
from node import STATE, TCPDCTL, Node

UP, DRAINED = "up 100%\n", "up 0%\n"
AGENT = {"min_workers": 1, "max_workers": 4, "spare_workers": 1}
SMALL = {"min_workers": 1, "max_workers": 8, "spare_workers": 1}


def conf_of(*services, drain_delay="0", agent=(), **options):
    """echo and time, and an agent; further services behind them."""
    return configuration(service("echo", **SMALL), service("time", **SMALL), *services,
                         service("agent", **AGENT, **dict(agent)), drain_delay=drain_delay,
                         **options)


@pytest.fixture
def node():
    return Node(conf_of()).start()


def test_drain_ready(node):
    """The node's agent says 0% at once, its table says by whom and since when, STATUS= does; who
    comes is served all the same."""
    assert node.ask() == UP
    node.must("drain", "echo")
    assert node.ask() == DRAINED
    assert node.daemon.is_serving()
    row = next(line for line in node.must("status").splitlines() if line.startswith("echo "))
    assert re.search(r"drained by root since \d\d:\d\d$", row), row
    wait_for(lambda: re.search(r"; echo drained by root since \d\d:\d\d$", node.daemon.status()))
    assert node.daemon.wait_log("^tcpd: echo: drained by root$")
    node.must("ready", "echo")
    assert node.ask() == UP
    assert node.daemon.wait_log("^tcpd: echo: made ready by root$")
    wait_for(lambda: "drained" not in node.daemon.status())


def test_pause(node):
    """Nobody serves: balancers are to send nobody, until the service is resumed. The agent goes on
    when everything else is paused."""
    for words in ["pause", "echo"], ["pause"]:
        node.must(*words)
        wait_for(lambda: node.ask() == DRAINED)
        node.must("resume")
        wait_for(lambda: node.ask() == UP)
    assert node.daemon.is_serving()


def test_all(node):
    """Without a name it is all services; `ready` takes them one by one, too."""
    node.must("drain")
    wait_for(lambda: "all 2 services drained by root since" in node.daemon.status())
    assert node.ask() == DRAINED
    node.must("ready", "echo")
    assert node.ask() == DRAINED
    node.must("ready")
    assert node.ask() == UP


def test_json(node):
    """--json tells each part by itself."""
    before = int(time.time())
    node.must("maint", "time", "--reason", 'a "new" disk')
    pool = node.pool("time")
    assert (pool["node"], pool["node_by"], pool["node_reason"]) == ("maint", "root", 'a "new" disk')
    assert before <= pool["node_since"] / 1e6 <= time.time()
    assert node.pool("echo")["node"] == "ready"
    assert node.ask() == 'stopped 0% #maintenance by root: a "new" disk\n'


def test_maint_replaces(node):
    """The last order counts; the same one again leaves the time as it was."""
    node.must("drain", "echo")
    first = node.pool("echo")["node_since"]
    time.sleep(1.1)  # the time itself is meant: it is told in seconds
    node.must("drain", "echo")
    assert node.pool("echo")["node_since"] == first
    node.must("maint", "echo", "--reason", "x")
    assert node.ask() == "stopped 0% #maintenance by root: x\n"
    assert node.pool("echo")["node_since"] > first
    node.must("drain", "echo")
    assert node.ask() == DRAINED


WRONG = {
    "an unknown service": (["drain", "echo", "ecco"], 1, "there is no service ecco"),
    "an agent": (["drain", "agent"], 1, "there is no service agent that agents could tell of"),
    "no reason": (["maint", "echo"], EX_USAGE, "maint needs --reason"),
    "an empty reason": (["maint", "--reason", ""], EX_USAGE, "--reason takes 1 to 80"),
    "a long reason": (["maint", "--reason", "x" * 81], EX_USAGE, "--reason takes 1 to 80"),
    "two lines": (["maint", "--reason", "a\nb"], EX_USAGE, "--reason takes 1 to 80"),
    "no ASCII": (["maint", "--reason", "größer"], EX_USAGE, "--reason takes 1 to 80"),
    "a reason to drain": (["drain", "--reason", "x"], EX_USAGE, "--reason is for maint only"),
    "waiting for ready": (["ready", "--wait"], EX_USAGE, "--wait is for drain and pause only"),
}


@pytest.mark.parametrize("row", WRONG)
def test_wrong(node, row):
    """One clear line, and nothing has changed: neither for the one that was right."""
    args, status, words = WRONG[row]
    got, out, err = node.control(*args)
    assert (got, out) == (status, "") and words in err and err.count("\n") == 1, err
    assert node.ask() == UP and node.store.text() == ""


def test_without_agent():
    """Nobody would tell anybody."""
    node = Node(configuration(service("echo", **SMALL))).start()
    status, _, err = node.control("drain")
    assert status == 1 and "there is no service with handler = agent" in err
    node.must("ready")


@pytest.mark.skipif(not can_become_others(), reason="cannot become another user")
def test_others_may_not(node):
    """As for stop: root, and who has opened the socket."""
    for args in (["drain"], ["ready"], ["maint", "--reason", "x"]):
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               TCPDCTL, "-s", node.path, *args], capture_output=True, text=True)
        assert done.returncode == 77, done
    assert node.ask() == UP


# --- How long it lasts -------------------------------------------------------------------------


def test_reload_keeps():
    """A reload that leaves the service keeps its order; one that drops it forgets it, and says so."""
    ports = {name: f"127.0.0.1:{free_port()}" for name in ("echo", "time", "discard", "agent")}

    def conf(*names):
        return configuration(*(service(name, listen=ports[name], **SMALL) for name in names))
    node = Node(conf("echo", "time", "agent")).start()
    node.must("drain", "echo")
    node.must("maint", "time", "--reason", "x")
    node.daemon.reload(conf("echo", "time", "discard", "agent"))
    assert node.ask().startswith("stopped")
    assert [node.pool(name)["node"] for name in ("echo", "time", "discard")] == \
        ["drain", "maint", "ready"]
    node.daemon.reload(conf("echo", "agent"))
    assert node.ask() == DRAINED
    node.daemon.wait_log("time is no longer configured")
    node.daemon.reload(conf("echo", "time", "agent"))
    assert node.pool("time")["node"] == "ready"
    assert node.ask() == DRAINED  # echo still


@pytest.mark.parametrize("how", ["restart", "crash"])
def test_kept(node, how):
    """R28: over a restart and a crash by the manager's store: one sealed file, a line each."""
    node.must("drain", "echo")
    node.must("maint", "time", "--reason", "a new disk")
    wait_for(lambda: node.store.text().count("\n") == 3)
    assert re.fullmatch(r"tcpd node-state 1\ndrain echo 0 \d+\nmaint time 0 \d+ a new disk\n",
                        node.store.text())
    since = node.pool("echo")["node_since"]
    if how == "crash":
        node.crash()
        node.start()
    else:
        node.restart()
    assert node.ask() == "stopped 0% #maintenance by root: a new disk\n"
    assert node.pool("echo")["node_since"] == since
    node.daemon.wait_log(r"^tcpd: echo is still drained by root since \d\d:\d\d$")
    node.must("ready")
    wait_for(lambda: node.store.text() == "")
    node.restart()
    assert node.ask() == UP


def test_forgotten(node):
    """A stop by systemctl empties the store."""
    node.must("drain")
    assert node.stop() == 0
    node.store.forget()
    node.start()
    assert node.ask() == UP


def test_not_kept():
    """Where nobody keeps it the log says so."""
    node = Node(conf_of(), keeps=False).start()
    node.must("drain")
    node.daemon.wait_log("that lasts until tcpd ends")


def sealed(text, seals=0xf):
    fd = os.memfd_create("state", os.MFD_ALLOW_SEALING)
    os.write(fd, text.encode())
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


STATES = {
    "not sealed": (lambda: sealed("tcpd node-state 1\ndrain echo 0 1\n", 0), UP, "is no state"),
    "partly": (lambda: sealed("tcpd node-state 1\ndrain echo 0 1\n", 8), UP, "is no state"),
    "another text": (lambda: sealed("hello\n"), UP, "is no state"),
    "too long": (lambda: sealed("tcpd node-state 1\n" + "\n" * (1 << 19)), UP, "is no state"),
    "a socket": (lambda: socket.socket().detach(), UP, "is no state"),
    "a pipe": (lambda: os.pipe()[0], UP, "is no state"),
    "a wrong line": (lambda: sealed("tcpd node-state 1\nx\ndrain echo 0 1\n"), DRAINED,
                     "1 line of the node's state cannot be read"),
    "an unknown service": (lambda: sealed("tcpd node-state 1\ndrain mail 0 1\n"), UP,
                           "mail is no longer configured"),
}


@pytest.mark.parametrize("row", STATES)
def test_state_is_checked(row):
    """What comes from the store is a stranger's until it is read."""
    make, says, words = STATES[row]
    node = Node(conf_of())
    node.store.kept.append((STATE, make()))
    node.start()
    assert node.ask() == says
    node.daemon.wait_log(words)


def test_no_idle_exit():
    """Who exits when idle would be forgotten by the manager; so it stays while it is drained."""
    with socket.create_server(("127.0.0.1", 0)) as echo, \
            socket.create_server(("127.0.0.1", 0)) as agent:
        node = Node(configuration(service("echo", listen=None, **SMALL),
                                  service("agent", listen=None, **AGENT), exit_idle_time="1s"),
                    held=[("echo", echo), ("agent", agent)], agent=agent.getsockname())
        node.start()
        node.must("drain")
        time.sleep(2.5)  # the time itself is meant
        assert node.daemon.process.poll() is None
        node.must("ready")
        assert node.daemon.wait_exit() == 0


# --- Waiting, stopping -------------------------------------------------------------------------


def test_wait():
    """drain --wait returns when the sessions of its services are over, and not before; with
    --timeout it gives up, and they stay drained."""
    node = Node(conf_of()).start()
    with node.daemon.connect("echo") as client:
        client.sendall(b"x")
        assert read_exactly(client, 1) == b"x"
        status, _, err = node.control("drain", "echo", "--wait", "--timeout", "300ms")
        assert status == EX_UNAVAILABLE and "1 session left; it stays drained" in err
        assert node.ask() == DRAINED
        node.must("drain", "time", "--wait")  # another one's do not count
        waiting = subprocess.Popen([TCPDCTL, "-s", node.path, "drain", "--wait"])
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(0.7)
    assert waiting.wait(PATIENCE) == 0


def test_wait_for_balancers():
    """It gives them drain_delay to learn of it, even without a session."""
    node = Node(conf_of(drain_delay="1s")).start()
    begin = time.monotonic()
    node.must("drain", "--wait")
    assert 1 <= time.monotonic() - begin < 4


def test_drain_delay():
    """R27: TERM: agents say 0%, everybody is served on; when it is over the stop goes on as ever, and the
    agent answers until the last session has ended."""
    node = Node(conf_of(drain_delay="2s"), keeps=False).start()
    begin = time.monotonic()
    node.daemon.signal(signal.SIGTERM)
    node.daemon.wait_notify(lambda message: message.get("STOPPING") == "1")
    node.wait_says(DRAINED)
    assert node.daemon.is_serving()
    assert "serving on for drain_delay" in node.daemon.status()
    node.daemon.wait_notify(lambda message: "EXTEND_TIMEOUT_USEC" in message)
    with node.daemon.connect("echo") as client:
        client.sendall(b"x")
        assert read_exactly(client, 1) == b"x"
        node.daemon.wait_log("drain_delay is over")
        assert time.monotonic() - begin >= 2
        wait_for(lambda: not connects(node.daemon.address("echo")))
        assert node.ask() == DRAINED
    assert node.daemon.wait_exit() == 0


def connects(address):
    try:
        socket.create_connection(address, 0.2).close()
    except OSError:
        return False
    return True


def test_second_term():
    """A second TERM ends the delay, and drains; a third one ends sessions."""
    node = Node(conf_of(drain_delay="10min", stop_timeout="0"), keeps=False).start()
    with node.daemon.connect("echo") as client:
        client.sendall(b"x")
        assert read_exactly(client, 1) == b"x"
        node.daemon.signal(signal.SIGTERM)
        node.daemon.wait_log("serving on for drain_delay")
        node.daemon.stop_again()
        node.daemon.wait_log("draining now: a second stop was requested")
        wait_for(lambda: not connects(node.daemon.address("echo")))
        assert node.ask() == DRAINED
        node.daemon.stop_again()
        assert node.daemon.wait_exit() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_at_once(number):
    """INT and QUIT know of no delay."""
    node = Node(conf_of(drain_delay="10min")).start()
    node.daemon.signal(number)
    assert node.daemon.wait_exit(10) == 0


def test_tcpdctl_stop():
    """tcpdctl stop waits for drain_delay as well."""
    node = Node(conf_of(drain_delay="1s")).start()
    begin = time.monotonic()
    node.must("stop")
    assert time.monotonic() - begin >= 1
    assert node.daemon.wait_exit() == 0


# --- What the agent finds ----------------------------------------------------------------------


def test_up_first_thing():
    """The first answer of a start is not a drain: whoever is ready is up."""
    node = Node(conf_of()).start()
    for _ in range(5):
        assert node.ask() == UP
        node.restart()


@pytest.mark.parametrize("others", [True, False], ids=["one of them", "all"])
def test_left_out(others):
    """What a start has left out is not served, so the node has to fail, unless it is in maintenance."""
    wrong = service("web", max_workers=0, handler="echo"), service("www", handler="ehco")
    served = [service("echo", **SMALL)] if others else []
    node = Node(configuration(*served, *wrong, service("agent", **AGENT))).start()
    assert node.ask() == "fail 0% #web: not served here\n"
    node.must("maint", "web", "--reason", "a new disk")
    assert node.ask() == "stopped 0% #maintenance by root: a new disk\n"
    node.must("ready", "web")
    assert node.ask() == "fail 0% #web: not served here\n"


def test_agent_of_some():
    """agent_services: what happens to others does not matter."""
    node = Node(conf_of(agent={"agent_services": ["time"]})).start()
    node.must("drain", "echo")
    assert node.ask() == UP
    node.must("drain", "time")
    assert node.ask() == DRAINED


def test_agent_send():
    """A line names one service; anything else is for all."""
    node = Node(conf_of(agent={"agent_send": "yes"})).start()
    node.must("drain", "echo")
    assert [node.ask(line) for line in ("echo\n", "time\n", "time", "nix\n", "\n", "x" * 5000)] == \
        [DRAINED, UP, UP, DRAINED, DRAINED, DRAINED]
    begin = time.monotonic()
    assert node.ask(end=False) == DRAINED
    assert 1 <= time.monotonic() - begin < 5


def test_load():
    """R26: agent_weight = load: what is taken of the places; agent_maxconn: a balancer's part of them."""
    node = Node(conf_of(agent={"agent_weight": "load", "agent_maxconn": "2",
                               "agent_services": ["echo"]})).start()
    assert node.ask() == "up 100% maxconn:4\n"
    clients = []
    for _ in range(6):
        clients.append(node.daemon.connect("echo"))
        clients[-1].sendall(b"x")
        assert read_exactly(clients[-1], 1) == b"x"
    node.wait_says("up 30% maxconn:4\n")  # 6 of 8 are 25%
    for client in clients:
        client.close()
    begin = time.monotonic()
    node.wait_says("up 100% maxconn:4\n")
    assert time.monotonic() - begin >= 5  # 10 a second
    clients = [node.daemon.connect("echo") for _ in range(30)]  # 8 served, 22 in the queue
    node.wait_says("up 10% maxconn:4\n")
    for client in clients:
        client.close()


def test_failing():
    """Workers that die at once are no service."""
    node = Node(conf_of(service("broken", "program", program=["/bin/false"],
                                program_mode="listener", min_workers="1"))).start_unready()
    node.wait_says("fail 0% #broken: its workers die at once\n")


def test_master_hangs(node):
    """Who publishes nothing for ten seconds does not answer for its services any more."""
    os.kill(node.daemon.pid, signal.SIGSTOP)
    try:
        assert node.ask() == UP
        node.wait_says("fail 0% #echo: the master does not answer\n")
    finally:
        os.kill(node.daemon.pid, signal.SIGCONT)
    node.wait_says(UP)


# --- Bad input ---------------------------------------------------------------------------------

BAD = {
    "names itself": ({"agent_services": ["agent"]}, '"agent" is an agent itself'),
    "names nobody": ({"agent_services": ["mail"]}, 'there is no service "mail"'),
    "another weight": ({"agent_weight": "auto"}, "one of: fixed, load"),
    "too many balancers": ({"agent_maxconn": "1001"}, "1000"),
    "TLS": ({"listen": ["tls:127.0.0.1:0"]}, "an agent is asked over plain TCP"),
    "datagrams": ({"listen": ["udp:127.0.0.1:0"]}, "is for datagrams"),
}


@pytest.mark.parametrize("row", BAD)
def test_bad(row):
    """One line each, with its place."""
    options, words = BAD[row]
    conf = conf_of(agent=options)
    line = next((number for number, text in enumerate(conf.splitlines(), 1)
                 if text.strip().startswith(next(iter(options)) + " =") and "agent" in
                 "".join(conf.splitlines()[number - 4:number])), 0)
    status, _, log = run("-t", conf=conf)
    wrong = [text for text in log.splitlines() if words in text]
    assert status == EX_CONFIG and len(wrong) == 1, log
    assert re.search(rf"tcpd\.conf:{line}: ", wrong[0]), (line, wrong)


def test_alone():
    """An agent with nobody to tell of."""
    status, _, log = run("-t", conf=configuration(service("agent")))
    assert status == EX_CONFIG and "nothing to tell of" in log


def test_no_header():
    """HAProxy sends none to an agent."""
    status, _, log = run("-t", conf=configuration(service("echo"), service(
        "agent", proxy_protocol="required", proxy_trusted=["127.0.0.1"])))
    assert status == EX_CONFIG
    assert re.search(r'tcpd\.conf:\d+: proxy_protocol of service "agent": HAProxy sends no', log), log


def test_elsewhere():
    """Its settings are its own."""
    status, _, log = run("-t", conf=configuration(service("echo", agent_weight="load")))
    assert status == EX_CONFIG and "agent_weight" in log


def test_warning():
    """An agent without drain_delay does no good at a stop."""
    status, _, log = run("-t", conf=conf_of())
    assert status == 0 and len(re.findall("drain_delay = 0 leaves them no time", log)) == 1
    status, _, log = run("-t", conf=conf_of(drain_delay="5s"))
    assert status == 0 and "drain_delay" not in log


def test_example():
    """What etc/tcpd.conf has as comments is right once they are taken off."""
    text = (documents.TOP / "etc/tcpd.conf").read_text()
    example = re.search(r'^#service "agent".*?^#}$', text, re.M | re.S)[0]
    text = text.replace(example, re.sub("^#", "", example, flags=re.M))
    status, out, log = run("-t", conf=text)
    assert status == 0 and 'service "agent": handler agent' in out, log


def test_view(node):
    """Workers have no more of the page than a view, and none but agents have that."""
    def views(name):
        pid, = node.daemon.workers(name)[:1]
        with open(f"/proc/{pid}/maps") as maps:
            return [line.split()[1] for line in maps if "memfd:nodes" in line]
    assert views("agent") == ["r--s"]
    assert views("echo") == []
