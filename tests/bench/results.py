# SPDX-License-Identifier: MIT
"""What was measured, row by row, and the file it is kept in: build/bench/NAME.json.

The programs that measure add rows and save them; report.py loads the files of all of them.
"""

import json
import os
import platform
import shlex
import sys
import time
from pathlib import Path

rows = []


def add(section, name, value, unit, ref=None, ratio=None, spread=None, target="", good=None, **more):
    """A row. `good` is True, False, or None where there is no target; `more` is kept as it is."""
    rows.append({"section": section, "name": name, "value": value, "unit": unit, "ref": ref,
                 "ratio": ratio, "spread": spread, "target": target, "good": good, **more})
    return rows[-1]


def n_short():
    return sum(row["good"] is False for row in rows)


def machine():
    models = [line.partition(":")[2].strip() for line in open("/proc/cpuinfo")
              if line.startswith("model name")]
    return (f"{os.cpu_count()} x {models[0] if models else platform.machine()}, "
            f"{platform.system()} {platform.release().partition('-')[0]}")


def date():
    return time.strftime("%Y-%m-%d %H:%M:%S %z")


def command():
    return shlex.join(sys.argv)


def head():
    """The lines above what is printed: where, when and how it was measured."""
    return (f"machine: {machine()}; load average {os.getloadavg()[0]:.2f}\n"
            f"date:    {date()}\ncommand: {command()}")


def save(path):
    """Writes all rows; a reader sees the old file or the new one, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.write_text(json.dumps({"machine": machine(), "date": date(), "command": command(),
                               "rows": rows}, indent=1) + "\n")
    new.rename(path)


def load(directory):
    """File name without .json to what save() wrote, for all files of a directory."""
    return {path.stem: json.loads(path.read_text())
            for path in sorted(Path(directory).glob("*.json"))}
