"""Plots as SVG, without any package: bars with their spread, and lines over a logarithmic axis."""

from html import escape
from math import log

COLORS = ["#1f6f8b", "#d9822b", "#5a8f3c", "#8b5fbf", "#b03a48", "#6b6b6b"]
WIDTH, MARGIN = 760, 16
FONT = 'font-family="sans-serif" font-size="13"'


def bars(path, title, unit, rows):
    """Horizontal bars. Rows are (label, median, lowest, highest); `lowest` and `highest` are marked."""
    left, right, height = 250, 90, 24
    longest = max(high for _, _, _, high in rows)
    scale = (WIDTH - left - right) / longest
    parts = []
    for number, (label, median, low, high) in enumerate(rows):
        top = 48 + number * height
        middle = top + height / 2 - 3
        parts += [
            text(left - 8, middle + 5, label, "end"),
            f'<rect x="{left}" y="{top}" width="{median * scale:.1f}" height="{height - 8}" '
            f'fill="{COLORS[0]}"/>',
            f'<path d="M{left + low * scale:.1f} {middle}H{left + high * scale:.1f}" '
            'stroke="#222" stroke-width="2"/>',
            text(left + high * scale + 6, middle + 5, short(median)),
        ]
    write(path, f"{title} ({unit}; line: lowest to highest)", parts, 60 + len(rows) * height)


def lines(path, x_name, y_name, series):
    """Lines over a logarithmic x axis. Series: name -> [(x, median, lowest, highest)]."""
    left, top, right, height = 70, 48, 170, 300
    points = [point for line in series.values() for point in line]
    xs = sorted({x for x, *_ in points})
    largest = nice(max(high for *_, high in points))

    def place(x, y):
        share = position(x, xs)
        return left + share * (WIDTH - left - right), top + height * (1 - y / largest)

    parts = []
    for step in range(6):
        value = largest * step / 5
        _, y = place(xs[0], value)
        parts.append(f'<path d="M{left} {y:.1f}H{WIDTH - right}" stroke="#ddd"/>')
        parts.append(text(left - 6, y + 4, short(value), "end"))
    for x in xs:
        across, _ = place(x, 0)
        parts.append(text(across, top + height + 18, short(x), "middle"))
    parts.append(text((left + WIDTH - right) / 2, top + height + 38, x_name, "middle"))
    for number, (name, line) in enumerate(series.items()):
        color = COLORS[number % len(COLORS)]
        middle = [place(x, median) for x, median, _, _ in line]
        path_data = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in middle)
        parts.append(f'<path d="{path_data}" fill="none" stroke="{color}" stroke-width="2"/>')
        for x, median, low, high in line:
            (across, bottom), (_, up), (_, center) = place(x, low), place(x, high), place(x, median)
            parts.append(f'<path d="M{across:.1f} {bottom:.1f}V{up:.1f}" stroke="{color}"/>')
            parts.append(f'<circle cx="{across:.1f}" cy="{center:.1f}" r="3" fill="{color}"/>')
        row = top + 12 + number * 20
        corner = f'x="{WIDTH - right + 16}" y="{row - 10}"'
        parts.append(f'<rect {corner} width="12" height="12" fill="{color}"/>')
        parts.append(text(WIDTH - right + 34, row, name))
    write(path, f"{y_name} by {x_name} (median, lowest, highest)", parts, top + height + 50)


def position(x, xs):
    """Where a value is on the axis, 0 to 1: powers of the same factor are equally far apart."""
    return log(x / xs[0]) / log(xs[-1] / xs[0]) if xs[-1] > xs[0] else 0.5


def nice(value):
    """The next number of the form 1, 2, 5 times a power of ten."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if step * factor >= value:
                return step * factor
        step *= 10


def short(value):
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def text(x, y, content, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {FONT}>{escape(content)}</text>'


def write(path, title, parts, height):
    body = "\n".join(parts)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}">\n<title>{escape(title)}</title>\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n'
        f"{text(MARGIN, 28, title)}\n{body}\n</svg>\n"
    )
