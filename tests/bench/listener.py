# SPDX-License-Identifier: MIT
"""Any language's server: accepts by itself on the listener it is given (fd 3), and echoes."""

import os
import socket

if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
    raise SystemExit("listener.py: no listener was passed")
listener = socket.socket(fileno=3)
while True:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)
