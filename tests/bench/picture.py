# SPDX-License-Identifier: MIT
"""The picture of a benchmark: one SVG with three panels, drawn by gnuplot.

Connections per second of each server (logarithmic), how long a burst of clients waits, and the
memory of an idle worker. A panel whose rows are missing is left out.
"""

import subprocess
from pathlib import Path

HEAD = """\
set terminal svg size 1500,{height} font "sans-serif,12" background "#ffffff"
set output "{output}"
set multiplot layout 1,{panels} title "{title}\\n{subtitle}" noenhanced
set border 3 linecolor "#606060"
set tics nomirror
set style fill solid 0.9 noborder
set boxwidth 0.7
unset key
"""
BARS = """\
set title "{title}" noenhanced
set xlabel ""
set ylabel "{unit}"
{scale}
set xtics rotate by 40 right noenhanced
set bmargin 11
set lmargin 10
set grid ytics linecolor "#dddddd"
set xrange [-0.6:{last}]
plot "{data}" using 0:2:3:xtic(1) with boxes linecolor rgb variable, \\
     "{data}" using 0:2:4 with labels offset 0,0.6 font ",10" noenhanced
"""
LINES = """\
set title "{title}" noenhanced
set xlabel "clients that connect at once"
set ylabel "ms until all were answered"
set logscale x 2
set logscale y 10
unset xtics
set xtics ({ticks}) rotate by 0 center
set xrange [{first}*0.8:{last}*1.3]
set yrange [*:*]
set key below maxrows 3 font ",10" noenhanced
set bmargin 11
plot {curves}
unset key
unset logscale x
unset xtics
"""
OWN, BARE, OTHER = 0xC03028, 0x505050, 0x6C9BC8


def color(name):
    return {"tcpd": OWN, "ref": BARE}.get(name, OTHER)


def short(name):
    """A server's name as it fits below a bar."""
    return name.replace(", its own echo", "").replace("::PreFork", "").replace(" mod_echo", "")


def brief(value):
    return f"{value / 1000:.1f}k" if value >= 1000 else f"{value:.0f}"


def bars(folder, name, title, unit, values, scale):
    data = folder / f"{name}.data"
    data.write_text("".join(f'"{short(server)}" {value:.6g} {color(server)} "{brief(value)}"\n'
                            for server, value in values.items()))
    return BARS.format(title=title, unit=unit, data=data, scale=scale, last=len(values) - 0.4)


def rates_panel(folder, rates):
    low = 10 ** (len(str(int(min(rates.values())))) - 1)
    scale = f"set logscale y 10\nset yrange [{low}:{max(rates.values()) * 2:.0f}]"
    return bars(folder, "rates", "Connections, 64 bytes each, 16 in flight", "per second",
                dict(sorted(rates.items(), key=lambda item: -item[1])), scale)


def memory_panel(folder, sizes):
    return bars(folder, "memory", "Memory of an idle worker, with the kernel's share", "KiB",
                dict(sorted(sizes.items(), key=lambda item: item[1])),
                "unset logscale\nset yrange [0:*]")


def burst_panel(folder, curves):
    clients = sorted({n for points in curves.values() for n in points})
    parts = []
    for i, (server, points) in enumerate(curves.items()):
        data = folder / f"burst-{i}.data"
        data.write_text("".join(f"{n} {msec:.6g}\n" for n, msec in sorted(points.items())))
        style = f'linecolor rgb {color(server)}' if color(server) != OTHER else f"linetype {i + 1}"
        parts.append(f'"{data}" using 1:2 with linespoints pointtype 7 linewidth 2 {style}'
                     f' title "{short(server)}"')
    return LINES.format(title="A burst of clients", curves=", \\\n     ".join(parts),
                        ticks=", ".join(f'"{n}" {n}' for n in clients), first=clients[0],
                        last=clients[-1])


def draw(command, folder, output, title, subtitle, rates, curves, sizes):
    """Writes `output`; command: the beginning of gnuplot's. Its data stay below `folder`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    panels = [panel(folder, values) for panel, values in (
        (rates_panel, rates), (burst_panel, curves), (memory_panel, sizes)) if values]
    script = HEAD.format(output=output, panels=len(panels), height=520, title=title,
                         subtitle=subtitle) + "".join(panels) + "unset multiplot\n"
    (folder / "script").write_text(script)
    done = subprocess.run([*command, folder / "script"], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise OSError(f"gnuplot: {done.stderr.strip()[-300:]}")
