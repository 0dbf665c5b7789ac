# SPDX-License-Identifier: MIT
"""What an administrator does on the first day, with the commands of the documents alone: each task
ends with a client that is served, or a message that says what to do."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import PATIENCE, wait_for
from units import is_refused

pytestmark = pytest.mark.in_turn(first="trixie")

CONF_D = "/etc/tcpd/tcpd.conf.d"
DROP_IN = "/etc/systemd/system/tcpd.service.d"
EXAMPLES = "/usr/share/doc/tcpd-server/examples"
QUIZ = """\
#!/bin/sh
echo 'How many legs has a spider?'
read -r legs
[ "$legs" = 8 ] || { echo "$legs is wrong" >&2; exit 3; }
echo "right, says $(id -un)"
"""


@pytest.fixture(scope="module")
def day(shared_tcpd_machine):
    """A machine as installing the package leaves it, with a program that is to be served."""
    machine = shared_tcpd_machine
    machine.put("/usr/local/bin/quiz", QUIZ, mode=0o755)
    machine.run(f"mkdir -p {CONF_D} {DROP_IN}")
    return machine


@pytest.fixture
def quiz(day):
    """It is served on port 7000."""
    day.run(f"cp {EXAMPLES}/programs.conf {DROP_IN}/; systemctl daemon-reload; systemctl restart tcpd")
    write(day, "quiz")
    apply(day)
    return day


def write(machine, name, *more, handler="program", listen="*:7000"):
    """A service of its own file."""
    program = 'program = {"/usr/local/bin/quiz"}' if handler == "program" else ""
    lines = [f'handler = "{handler}"', program, f'listen = {{"{listen}"}}', *more]
    machine.put(f"{CONF_D}/{name}.conf",
                f'service "{name}" {{\n' + "".join(f"    {line}\n" for line in lines) + "}\n")


def apply(machine):
    """What was written comes into force."""
    machine.run("tcpdctl check")
    machine.run("tcpdctl sockets apply")
    machine.run("tcpdctl reload")


def answer(machine, port=7000, legs=b"8"):
    return machine.exchange(port, legs + b"\n").splitlines()[1:]


def status(machine, *options):
    return json.loads(machine.run("tcpdctl", *options, "--json", "status").stdout)


def wrong(machine, command):
    """What a command says that ends with status 78."""
    done = machine.run(command, check=False)
    assert done.returncode == 78, done
    return done.stderr + done.stdout


def test_a_program_of_mine(day):
    """The check names the drop-in that is missing, as the daemon itself sees it; with it, twenty
    clients at once are served."""
    write(day, "quiz")
    assert "programs.conf" in wrong(day, "tcpdctl check")
    day.run(f"cp {EXAMPLES}/programs.conf {DROP_IN}/; systemctl daemon-reload; systemctl restart tcpd")
    apply(day)
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda _: answer(day), range(20))) == [[b"right, says tcpd"]] * 20
    assert "quiz " in day.run("tcpdctl status").stdout


def test_as_another_user(quiz):
    """A service cannot say so under systemd, and is told where to."""
    write(quiz, "quiz", 'user = "games"')
    assert re.search(r"quiz\.conf:\d+: .*User=", wrong(quiz, "tcpdctl check"))
    write(quiz, "quiz")
    quiz.put(f"{DROP_IN}/user.conf", "[Service]\nUser=games\nGroup=games\n")
    quiz.run("systemctl daemon-reload; systemctl restart tcpd")
    assert answer(quiz) == [b"right, says games"]
    quiz.run(f"rm {DROP_IN}/user.conf; systemctl daemon-reload; systemctl restart tcpd")


def test_clients_that_say_nothing(quiz):
    """What this kind of program cannot have is refused with what it can."""
    write(quiz, "quiz", "idle_timeout = 1s")
    assert "session_timeout" in wrong(quiz, "tcpdctl check")
    write(quiz, "quiz", "session_timeout = 1s")
    apply(quiz)
    cursor = quiz.cursor()
    with quiz.connect(7000) as sock:
        while sock.recv(100):
            pass
    assert quiz.wait_journal("closed: session timeout", "TCPD_SERVICE=quiz", since=cursor)


def test_who_is_connected(quiz):
    """The title of the process that serves it says who."""
    with quiz.connect(7000) as sock:
        assert sock.recv(100)
        peer = "127.0.0.1:%d" % sock.getsockname()[1]
        assert peer in wait_for(lambda: (
            text := quiz.run("systemctl status tcpd").stdout) and peer in text and text)


def test_why_it_was_dropped(quiz):
    """The program's own words have their client in front, and its end has its status."""
    cursor = quiz.cursor()
    assert answer(quiz, legs=b"7") == []
    assert quiz.wait_journal(r"^127\.0\.0\.1:\d+: 7 is wrong$", since=cursor)
    assert quiz.wait_journal("program exited with status 3", "TCPD_PEER_ADDR=127.0.0.1", since=cursor)


def test_new_addresses(quiz):
    """One is changed, and two are added, while clients of another service come and are served."""
    stop, seen = threading.Event(), []

    def keep_asking():
        while not stop.is_set():
            seen.append(quiz.exchange(7007, b"still here"))
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(keep_asking)
        write(quiz, "quiz", 'socket_group = "www-data"', "socket_mode = 0660",
              listen='*:7001", "[::1]:7002", "unix:/run/tcpd/quiz')
        apply(quiz)
        stop.set()
        asking.result()
    assert len(seen) > 1 and set(seen) == {b"still here"}
    assert answer(quiz, 7001) == [b"right, says tcpd"]
    assert quiz.exchange(7002, b"8\n", "::1").endswith(b"tcpd\n")
    assert "spider" in quiz.run("echo 8 | tcpc unix:/run/tcpd/quiz").stdout
    assert is_refused(quiz, 7000)


def test_two_instances(day):
    """Each has its own file, and is asked by its name."""
    day.put("/etc/tcpd/two.conf", 'service "hello" { handler = "hello"  listen = {"*:7009"} }\n')
    day.run("systemctl daemon-reload; systemctl enable --now tcpd@two.socket tcpd@two.service")
    assert day.exchange(7009, b"Michael").endswith(b"Hello, Michael!")
    assert [pool["service"] for pool in status(day, "-i", "two")["pools"]] == ["hello"]
    assert "configuration is right: 1 service" in day.run("tcpdctl check two").stdout
    day.run("systemctl disable --now tcpd@two.socket tcpd@two.service")


def test_one_clients_sessions(day):
    """docs/recipes.md."""
    day.put(f"{CONF_D}/log.conf", "log_sessions = all\n")
    day.run("tcpdctl reload")
    day.run("tcpc --source 127.0.0.3 -s hello 127.0.0.1 7007")
    assert wait_for(lambda: "5 bytes in" in day.run(
        "journalctl -u tcpd -o cat TCPD_PEER_ADDR=127.0.0.3").stdout)
    day.run(f"rm {CONF_D}/log.conf; tcpdctl reload")


def test_a_mistake(quiz):
    """Nothing is lost, and the place is named, whichever command meets it."""
    write(quiz, "quiz", "max_worker = 5")
    said = f"{CONF_D}/quiz.conf:5: there is no option max_worker; did you mean max_workers?"
    for command in "tcpdctl check", "tcpdctl sockets apply", "tcpdctl reload":
        done = quiz.run(command, check=False)
        assert done.returncode != 0 and said in done.stdout + done.stderr, done
    assert answer(quiz) == [b"right, says tcpd"]
    quiz.run("systemctl restart tcpd", check=False)
    assert quiz.exchange(7007, b"hello") == b"hello", "the others are served"
    assert "quiz" in quiz.run("tcpdctl status").stdout
    write(quiz, "quiz")
    apply(quiz)
    assert answer(quiz) == [b"right, says tcpd"]


def test_a_port_that_is_taken(quiz):
    """Who has it is said, and the service comes when it is free."""
    taker = quiz.start("/usr/bin/tcpd-run", "-l", "7005", "/bin/cat")
    wait_for(lambda: not is_refused(quiz, 7005), what="the other server")
    write(quiz, "quiz", listen="*:7005")
    done = quiz.run("tcpdctl sockets apply", check=False)
    holder = re.search(r"another tcpd-run, process (\d+), listens there", done.stderr)
    assert done.returncode != 0 and holder, done
    assert quiz.exchange(7007, b"hello") == b"hello"
    assert "not served" in quiz.run("tcpdctl status").stdout
    quiz.run(f"kill {holder[1]}")
    taker.wait(PATIENCE)
    apply(quiz)
    assert answer(quiz, 7005) == [b"right, says tcpd"]


def test_started_by_its_first_client(day):
    """And gone again when nobody comes."""
    day.put(f"{CONF_D}/idle.conf", "exit_idle_time = 300ms\n")
    day.run("systemctl restart tcpd")
    day.wait_unit("tcpd.service", ActiveState="inactive")
    assert day.exchange(7007, b"hello") == b"hello"
    day.run(f"rm {CONF_D}/idle.conf")
    day.wait_unit("tcpd.service", ActiveState="inactive")
    day.run("systemctl start tcpd")
