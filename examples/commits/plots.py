"""Bar charts as SVG without scripts: colours and sizes of text are in style.css, so that they follow light, dark and the screen."""
import math

from markupsafe import Markup

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 260, 56, 14, 44


def bar_chart(name, title, bars, unit="commits"):
    """Bars are (long label, label below the axis or "", whether that is left out on a narrow screen, value)."""
    top = round_up(max(value for _, _, _, value in bars))
    step, floor = (WIDTH - LEFT) / len(bars), HEIGHT - BOTTOM
    parts = [grid(top, floor)]
    for number, (label, short, is_minor, value) in enumerate(bars):
        x, height = LEFT + number * step, (floor - TOP) * value / top
        parts.append(Markup('<g><title>{}: {} {}</title><rect class="reach" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>'
                            '<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/></g>').format(
            label, value, unit, x, TOP, step, floor - TOP, x + step * .1, floor - height, step * .8, height))
        if short:
            parts.append(Markup('<text class="{}" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                "minor" if is_minor else "major", x + step / 2, HEIGHT - 12, short))
    best = max(bars, key=lambda bar: bar[3])
    description = f"{sum(bar[3] for bar in bars)} {unit} in {len(bars)} bars. Most: {best[0]}, {best[3]}."
    return Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-labelledby="{n}-title {n}-about"><title id="{n}-title">{}</title>'
                  '<desc id="{n}-about">{}</desc>{}</svg>').format(WIDTH, HEIGHT, title, description, Markup("").join(parts), n=name)


def grid(top, floor):
    lines = Markup("")
    for value in (0, top // 2, top):
        y = floor - (floor - TOP) * value / top
        lines += Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(
            LEFT, WIDTH, y, y, LEFT - 8, y + 5, value)
    return lines


def round_up(value):
    """The next round number with a whole half."""
    value = max(value, 2)
    size = 10 ** int(math.log10(value))
    return next(factor * size for factor in (1, 2, 3, 4, 5, 6, 8, 10) if factor * size >= value and factor * size % 2 == 0)
