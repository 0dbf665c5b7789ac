# SPDX-License-Identifier: MIT
"""Servers as they are in use, as copies in listener mode: under a steady load of HTTP requests one
copy after the other is killed, all are exchanged by reloads, and tcpd is stopped and started. A
request on a connection that a killed copy held is lost with it; no other is."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness import EX_OK, activated, configuration, proc_state, wait_for
from programs import listener, write_script

# Each answers GET with its number; at TERM each accepts no more, and ends what it has. Some have to
# be told not to drop what they have accepted and not read.
ASYNCIO = f"""\
    #!{sys.executable} -I
    import asyncio, os, signal, socket

    async def serve(reader, writer):
        while (await reader.readline()).strip():
            pass
        body = b"%d" % os.getpid()
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    async def main():
        stop = asyncio.Event()  # before it accepts, or it would be killed with its first client
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        await asyncio.start_server(serve, sock=socket.socket(fileno=3))
        await stop.wait()
        loop.remove_reader(3)  # Server.close() would drop what was accepted in this moment
        while others := asyncio.all_tasks() - {{asyncio.current_task()}}:
            await asyncio.wait(others)

    asyncio.run(main())
"""

UVICORN = f"""\
    #!{sys.executable}
    import asyncio, os, uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Protocol(H11Protocol):
        def shutdown(self):  # not while its first request is on the way
            if self.cycle:
                super().shutdown()

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b"%d" % os.getpid()}})

    class Server(uvicorn.Server):
        async def shutdown(self, sockets=None):  # asyncio's would drop what was just accepted
            for listening in self.servers[0].sockets:
                asyncio.get_running_loop().remove_reader(listening.fileno())
            await asyncio.sleep(0.01)
            await super().shutdown(sockets)

    Server(uvicorn.Config(app, fd=3, http=Protocol, log_level="warning", lifespan="off")).run()
"""

# WEBrick shuts down what it listens on when it ends: for all copies, and whoever waits is reset. And
# what it has accepted it drops, so there must be nothing.
WEBRICK = """\
    #!/usr/bin/ruby
    require "webrick"
    listener = TCPServer.for_fd(3)
    log = WEBrick::Log.new($stderr, WEBrick::Log::WARN)
    server = WEBrick::HTTPServer.new(DoNotListen: true, Logger: log, AccessLog: [])
    server.listeners << listener
    server.mount_proc("/") { |_, answer| answer.body = Process.pid.to_s }
    trap("TERM") do
      Thread.new do
        server.listeners.clear
        listener.close
        sleep 0.01 until server.tokens.size == server.config[:MaxClients]
        server.shutdown
      end
    end
    server.start
"""

PUMA = """\
    #!/bin/sh
    exec /usr/bin/puma -q -C "$0.conf"
"""
PUMA_CONFIGURATION = """\
bind_to_activated_sockets "only"
threads 2, 2
drain_on_shutdown
queue_requests false
app { |_| [200, {}, [Process.pid.to_s]] }
"""

# So does Net::Server, which exits at once at TERM. It takes what is open as after its own HUP.
NET_SERVER = """\
    #!/usr/bin/perl
    package Server;
    use strict;
    use base qw(Net::Server::Single);
    my $stopping;

    sub pre_loop_hook {
        $SIG{TERM} = sub { $stopping = 1 };
        $SIG{ALRM} = sub { alarm 1 };  # TERM may have come right before accept()
        alarm 1;
    }

    sub accept {
        my $own = shift->{server};
        while (!$stopping) { return 1 if $own->{client} = $own->{sock}[0]->accept }
        return 0;
    }

    sub shutdown_sockets { }

    sub process_request {
        while (my $line = <STDIN>) { last if $line =~ /^\\r?$/ }
        print "HTTP/1.1 200 OK\\r\\nContent-Length: ", length $$, "\\r\\n\\r\\n$$";
    }

    $ENV{BOUND_SOCKETS} = "3|127.0.0.1|$ENV{PORT}|TCP|ipv4";
    Server->run(host => "127.0.0.1", port => $ENV{PORT}, ipv => 4, log_level => 1);
"""

NODE = """\
    #!/usr/bin/env node
    const server = require("http").createServer((request, response) => {
      response.end(String(process.pid));
    });
    server.listen({ fd: 3 });
    process.on("SIGTERM", () => server.close());
"""

SERVERS = {"asyncio": ASYNCIO, "uvicorn": UVICORN, "webrick": WEBRICK, "puma": PUMA,
           "net_server": NET_SERVER, "node": NODE}
NEEDS = {"asyncio": ["true"], "uvicorn": [sys.executable, "-c", "import uvicorn"],
         "webrick": ["ruby", "-e", 'require "webrick"'], "puma": ["puma", "--version"],
         "net_server": ["perl", "-MNet::Server", "-e", "1"], "node": ["node", "--version"]}


def is_there(name):
    return shutil.which(NEEDS[name][0]) and \
        subprocess.run(NEEDS[name], capture_output=True).returncode == 0


class Requests:
    """A steady load of requests, a connection each, in threads; what failed, and when."""

    def __init__(self, address, threads=4):
        self.address, self.failed, self.done = address, [], 0
        self.kills, self.stopping, self.lock = [], threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run(self):
        while not self.stopping.is_set():
            began = time.monotonic()
            why = self.one()
            with self.lock:
                self.done += why is None
                if why:
                    self.failed.append((began, time.monotonic(), why))

    def one(self):
        """None, or why it failed."""
        connection = http.client.HTTPConnection(*self.address, timeout=20)
        try:
            connection.request("GET", "/", headers={"Connection": "close"})
            return None if connection.getresponse().read().isdigit() else "wrong"
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()

    def wait(self, number):
        """For so many more that are served."""
        least = self.done + number
        wait_for(lambda: self.done >= least, what=f"{number} more requests")

    def kill(self, pid):
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: proc_state(pid) is None)  # a zombie may have threads that still accept
        self.kills.append((began, time.monotonic()))

    def lost(self):
        """Those that no killed copy had: how long they took, and how long after the first kill."""
        return [(round(ended - began, 3), round(began - (self.kills or [(0, 0)])[0][0], 3), why)
                for began, ended, why in self.failed
                if not any(began <= gone and kill <= ended for kill, gone in self.kills)]


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0), backlog=128) as sock:
        yield sock


@pytest.mark.parametrize("name", SERVERS)
def test_server(mark, tmp_path, listening, name, record_property):
    if not is_there(name):
        pytest.skip(f"{name} is not installed")
    script = tmp_path / name
    write_script(script, "")
    script.write_text("".join(line.removeprefix("    ") for line in
                              SERVERS[name].splitlines(keepends=True)))
    Path(f"{script}.conf").write_text(PUMA_CONFIGURATION)
    conf = configuration(listener(script, mark, min_workers=3, listen=None, environment=[
        f"PORT={listening.getsockname()[1]}", f"HOME={tmp_path}"]))
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(activated(conf, [listening], ["program"]))
        with Requests(listening.getsockname()) as load:
            load.wait(100)
            for _ in range(3):
                copies = daemon.wait_workers(3)
                load.kill(copies[0])
                daemon.wait_workers(lambda pids, dead=copies[0]: len(pids) == 3 and dead not in pids)
                load.wait(50)
            for _ in range(3):
                before = daemon.workers()
                daemon.reload()
                daemon.wait_workers(lambda pids, old=before: not set(pids) & set(old))
                load.wait(50)
            assert daemon.stop() == EX_OK
            daemon = stack.enter_context(activated(conf, [listening], ["program"]))
            load.wait(100)
        assert daemon.stop() == EX_OK
    lost = load.lost()
    record_property("soak", f"{name}: {load.done} requests, {len(load.failed) - len(lost)} on "
                            f"connections of killed copies, {len(lost)} lost")
    assert lost == []
