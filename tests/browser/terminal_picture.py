# SPDX-License-Identifier: MIT
"""A terminal's screen as a picture, in light and in dark as whoever looks at it has chosen."""

from html import escape

WIDTH, HEIGHT = 7.85, 17  # of a character of 13 px, with what is between two lines
MARGIN = 14
STYLE = ("svg{color-scheme:light dark} rect{fill:#f6f8fa;stroke:#c8ced6} text{fill:#1b1f24;"
         "font:13px ui-monospace,'DejaVu Sans Mono',monospace;white-space:pre} "
         "@media(prefers-color-scheme:dark){rect{fill:#14171c;stroke:#3b424c} text{fill:#e6e9ee}}")


def picture(screen, title):
    """SVG of a text of several lines; each has the width that its characters should take."""
    lines = screen.rstrip().split("\n")
    width = max(map(len, lines)) * WIDTH + 2 * MARGIN
    height = len(lines) * HEIGHT + 2 * MARGIN
    rows = [f'<text x="{MARGIN}" y="{MARGIN + HEIGHT * (n + 0.75):g}" textLength="{len(line) * WIDTH:g}">'
            f'{escape(line)}</text>' for n, line in enumerate(lines) if line]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" role="img">\n<title>{escape(title)}</title>\n'
            f'<style>{STYLE}</style>\n<rect width="100%" height="100%" rx="6"/>\n'
            + "\n".join(rows) + "\n</svg>\n")
