# SPDX-License-Identifier: MIT
"""Runs of the load generator: to their end, or held open while something happens to the server."""

import json
import subprocess

from servers import BenchError, die_with_parent

PATIENCE = 120


def _command(build, server, options):
    return [build / "tests/bench/load", "--json", "--address", server.address(),
            *map(str, options), *server.load_options]


def _result(output, errors, status):
    if status not in (0, 1):
        raise BenchError(f"load: {errors or status}")
    result = json.loads(output.splitlines()[-1])
    kinds = {kind: n for kind, n in result["errors"].items() if n}
    result["problem"] = f"{kinds} {errors.strip()}" if kinds else ""
    return result


def load(build, server, *options):
    """What the load generator tells of a whole run."""
    done = subprocess.run(_command(build, server, options), capture_output=True, text=True,
                          timeout=PATIENCE)
    return _result(done.stdout, done.stderr, done.returncode)


def burst(build, server, n_clients, *options):
    return load(build, server, "--mode", "burst", "--in-flight", n_clients, *options)


class Running:
    """A run beside which the caller does something; `with` ends it."""

    def __init__(self, build, server, *options):
        self.command = _command(build, server, options)
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        preexec_fn=die_with_parent)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def is_over(self):
        return self.process.poll() is not None

    def result(self):
        """Closes the run's standard input, which ends a hold, and waits for its end."""
        output, errors = self.process.communicate(timeout=PATIENCE)
        return _result(output, errors, self.process.returncode)


class Held(Running):
    """A burst whose connections stay open until result(), which uses each of them once more."""

    def __init__(self, build, server, n_clients, *options):
        super().__init__(build, server, "--mode", "burst", "--hold", "--in-flight", n_clients,
                         *options)

    def __enter__(self):
        super().__enter__()
        if self.process.stdout.readline() != "held\n":
            self.__exit__()
            raise BenchError("load did not come to hold its connections")
        return self
