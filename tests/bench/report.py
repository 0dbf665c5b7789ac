#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""report.py FOLDER: report.md and report.svg of what the benchmarks have kept there, *.json."""

import subprocess
import sys
from pathlib import Path

import picture
import results
from packages import Missing, Packages

HEADINGS = {
    "connections": "Connections", "messages": "Messages and streams", "last word": "The last word",
    "peers": "Beside the servers of others", "log": "Logging of every session",
    "programs": "Programs and modules", "tls": "TLS", "access": "Who may connect", "master": "The master",
    "memory": "Memory of an idle worker", "stalls": "Stalls", "noise": "Noise",
    "burst": "Bursts", "scale": "Ten thousand workers", "against": "Beside another commit",
}
VERDICTS = {True: "ok", False: "**SHORT**", None: ""}


def number(value):
    if value is None:
        return ""
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def between(spread):
    return f"{number(spread[0])} .. {number(spread[1])}" if spread else ""


def line(row):
    cells = (row["name"], number(row["value"]), number(row["ref"]), row["unit"],
             number(row["ratio"]), between(row["spread"]), number(row.get("cpu_ratio")),
             row["target"], VERDICTS[row["good"]])
    return "| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |"


def table(section, rows):
    return (f"\n## {HEADINGS.get(section, section.capitalize())}\n\n"
            "| row | tcpd | other | unit | ratio | spread | CPU ratio | target | |\n"
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
            + "\n".join(line(row) for row in rows) + "\n")


def summary(rows):
    """The table of docs/performance.md: connections of 64 bytes, 16 at a time."""
    lines = ["| beside | connections/s, tcpd | the other | ratio | CPU time, tcpd | the other |",
             "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        if row["section"] in ("connections", "peers") and row.get("in_flight") == 16:
            name = "the bare server" if row["peer"] == "ref" else row["peer"]
            ratio = f"{row['ratio']:.2f}" if row["ratio"] < 2 else number(row["ratio"])
            lines.append(f"| {name} | {row['value']:.0f} | {row['ref']:.0f} | {ratio} |"
                         f" {row['cpu'][0]:.0f} us | {row['cpu'][1]:.0f} us |")
    return "\n".join(lines) + "\n"


def page(files):
    parts = ["# What the benchmarks measured\n\n",
             "A ratio is the median of paired runs, the spread of a ratio is the middle half of"
             " them (the extremes for bursts and scale), CPU ratio is that of the processor time for an"
             " operation.\n\n"]
    rows = []
    for kept in files.values():
        parts.append(f"- `{kept['command']}`, {kept['date']}, on {kept['machine']}\n")
        rows += kept["rows"]
    parts += ["\n## In short\n\nConnections of 64 bytes, 16 at a time.\n\n", summary(rows)]
    for section in dict.fromkeys(row["section"] for row in rows):
        parts.append(table(section, [row for row in rows if row["section"] == section]))
    targets = [row["good"] for row in rows if row["good"] is not None]
    parts.append(f"\n{len(targets)} targets, {targets.count(False)} short.\n")
    return "".join(parts), rows


def rates(rows):
    """Server to connections per second with 16 in flight."""
    found = {}
    for row in rows:
        if row["section"] in ("connections", "peers") and row.get("in_flight") == 16:
            found[row["peer"]] = row["ref"]
            if row["peer"] == "ref":
                found["tcpd"] = row["value"]
    return found


def sizes(rows):
    """Server to KiB of an idle worker, in all."""
    return {row["server"]: row["value"] for row in rows
            if row["section"] == "memory" and "kernel" in row}


def curves(rows):
    """Server to {clients: ms} of bursts."""
    found = {}
    for row in rows:
        if row["section"] == "burst" and "clients" in row:
            other = "ref" if row.get("server") == "tcpd" else row["server"]
            if row.get("server") == "tcpd" and row["value"]:
                found.setdefault("tcpd", {})[row["clients"]] = row["value"]
            if row["ref"] and not row.get("unanswered"):
                found.setdefault(other, {})[row["clients"]] = row["ref"]
    return found


def gnuplot(folder):
    packages = Packages(folder / "peers")
    packages.need("gnuplot-nox")
    return packages.command("usr/bin/gnuplot-nox")


def write(folder):
    """Writes the page and, where gnuplot can be had, the picture. The path of the page."""
    folder = Path(folder).resolve()
    files = results.load(folder)
    text, rows = page(files)
    path = folder / "report.md"
    kept = files.get("bench") or max(files.values(), key=lambda kept: kept["date"])
    try:
        picture.draw(gnuplot(folder), folder / "picture", folder / "report.svg",
                     "tcpd beside other servers",
                     f"{kept['date'][:16]}, {kept['machine']}: {kept['command']}",
                     rates(rows), curves(rows), sizes(rows))
        text += "\n![](report.svg)\n"
    except (Missing, OSError, subprocess.SubprocessError) as error:
        print(f"no picture: {error}")
    path.write_text(text)
    return path


if __name__ == "__main__":
    print(f"report: {write(Path(sys.argv[1]))}")
