#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# A preforking server in any language: tcpd-run -l 7000 --listener python3 listener.py
import contextlib, os, signal, socket

listener = socket.socket(fileno=3)  # which all copies of this program share
dead = socket.socket(socket.AF_UNIX)  # never listens: in its place, accept() fails
signal.signal(signal.SIGTERM, lambda *_: os.dup2(dead.fileno(), 3))
signal.signal(signal.SIGALRM, lambda *_: None)  # Python may see a signal too late for
signal.setitimer(signal.ITIMER_REAL, 1, 1)      # accept(), and does with the next one
while True:
    try:
        client, address = listener.accept()
    except OSError:
        break
    with contextlib.suppress(OSError), client, client.makefile("rb") as lines:
        for line in lines:
            client.sendall(line.upper())
