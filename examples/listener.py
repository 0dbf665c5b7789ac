#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# A preforking server in any language: tcpd-run -l 7000 --listener python3 listener.py
import contextlib, os, signal, socket

def leave(number, frame):  # accept() fails from now on; a connection that it has taken is served
    dead = socket.socket(socket.AF_UNIX)
    os.dup2(dead.fileno(), 3)

listener = socket.socket(fileno=3)  # which all copies of this program share
signal.signal(signal.SIGTERM, leave)
while True:
    try:
        client, address = listener.accept()
    except OSError:
        break
    with contextlib.suppress(OSError), client, client.makefile("rwb") as lines:
        for line in lines:
            lines.write(line.upper())
            lines.flush()
