# SPDX-License-Identifier: MIT
"""A terminal for programs that draw on one: a DEC VT52, whose few sequences are understood here, so
that tests see what a user would see. It can have up to 223 rows and columns: a place is a byte."""

import contextlib
import errno
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading

from harness import PATIENCE, wait_for


def length_of(data):
    """Bytes of the sequence or the character at the beginning."""
    if data[0] == 0x1b:
        return 4 if data[1:2] == b"Y" else 2
    return 1 if data[0] < 0xc0 else 2 if data[0] < 0xe0 else 3 if data[0] < 0xf0 else 4


class Terminal:
    def __init__(self, argv, rows=24, columns=120, **environment):
        self.lock = threading.Lock()
        self.raw, self.rest = b"", b""
        self.rows, self.columns = rows, columns
        self.clear()
        self.master, slave = pty.openpty()
        self._tell_size()
        self.before = termios.tcgetattr(self.master)
        kept = {name: value for name, value in os.environ.items()
                if name not in ("LINES", "COLUMNS", "LANG", "LANGUAGE", "LC_CTYPE", "NO_COLOR")}
        wanted = {"TERM": "vt52", "LC_ALL": "C.UTF-8", "TZ": "UTC"} | environment
        env = kept | {name: value for name, value in wanted.items() if value is not None}
        if environment.get("TERM", "") is None:
            env.pop("TERM", None)
        self.process = subprocess.Popen(
            [str(word) for word in argv], stdin=slave, stdout=slave, stderr=subprocess.PIPE, env=env,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self.thread.join(PATIENCE)
        self.process.stderr.close()
        self.close()

    def close(self):
        """Takes the terminal away from the program."""
        if self.master >= 0:
            os.close(self.master)
        self.master = -1

    def _read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError as error:
                assert error.errno in (errno.EIO, errno.EBADF)
                return
            if not data:
                return
            with self.lock:
                self.raw += data
                self._feed(data)

    # --- What the program writes ---------------------------------------------------------------

    def clear(self):
        self.lines = [[" "] * self.columns for _ in range(self.rows)]
        self.row = self.column = 0

    def _feed(self, data):
        data, self.rest = self.rest + data, b""
        while data:
            need = length_of(data)
            if len(data) < need:
                self.rest = data
                return
            if data[0] == 0x1b:
                self._obey(chr(data[1]), data[2:need])
            else:
                self._write(data[:need].decode())
            data = data[need:]

    def _obey(self, letter, place):
        if letter == "Y":
            self.row, self.column = place[0] - 32, place[1] - 32
        elif letter in "ABCD":
            rows, columns = {"A": (-1, 0), "B": (1, 0), "C": (0, 1), "D": (0, -1)}[letter]
            self.row, self.column = self.row + rows, self.column + columns
        elif letter == "H":
            self.row = self.column = 0
        elif letter == "K":
            for column in range(self.column, self.columns):
                self._put(self.row, column, " ")
        elif letter == "J":
            for row in range(self.row, self.rows):
                for column in range(self.column if row == self.row else 0, self.columns):
                    self._put(row, column, " ")
        else:
            assert letter in "=>FG", repr(letter)

    def _write(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            if self.row == self.rows - 1:
                self.lines = self.lines[1:] + [[" "] * self.columns]
            else:
                self.row += 1
        elif character == "\b":
            self.column -= 1
        elif character == "\t":
            self.column += 8 - self.column % 8
        else:
            assert character.isprintable(), repr(character)
            self._put(self.row, self.column, character)
            self.column = min(self.column + 1, self.columns - 1)

    def _put(self, row, column, character):
        if 0 <= row < self.rows and 0 <= column < self.columns:  # it may just have become smaller
            self.lines[row][column] = character

    # --- What the user sees and does -------------------------------------------------------------

    def text(self):
        with self.lock:
            return "\n".join("".join(line).rstrip() for line in self.lines)

    def wait(self, pattern, deadline=PATIENCE):
        """The match, as soon as the screen has it."""
        return wait_for(lambda: re.search(pattern, self.text(), re.M), deadline,
                        lambda: f"{pattern!r} on the screen\n{self.text()}\n")

    def press(self, keys):
        os.write(self.master, keys.encode())

    def _tell_size(self):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", self.rows, self.columns, 0, 0))

    def resize(self, rows, columns):
        with self.lock:
            self.rows, self.columns = rows, columns
            self.clear()
        self._tell_size()

    def end(self):
        """The exit status of the program, which has said nothing on standard error."""
        status = self.process.wait(PATIENCE)
        self.thread.join(PATIENCE)
        assert self.process.stderr.read() == b""
        return status

    def is_as_before(self):
        """The program has left the terminal as it was."""
        with contextlib.suppress(OSError):
            return termios.tcgetattr(self.master) == self.before
        return False
