"""A plot of the results: a panel for each load, a bar for each proxy, as self-contained SVG."""

import statistics
from html import escape

from report import number

COLUMNS = 2
PANEL_WIDTH, NAME_WIDTH, VALUE_WIDTH = 470, 190, 92
BAR_HEIGHT, BAR_GAP = 14, 5
HEADING, PADDING, MARGIN = 46, 16, 12
STYLE = """
    text { font: 12px system-ui, sans-serif; fill: #24292f }
    .load { font-size: 14px; font-weight: 600 }
    .unit { fill: #57606a }
    .ours { font-weight: 600 }
    rect.other { fill: #afb8c1 }
    rect.ours { fill: #d4541b }
"""


def draw(results):
    """Draws one value of each load that names one: usually its cost, which varies least between runs."""
    panels = []
    for load in [load for load in results.loads if load.plotted] or results.loads:
        metric = next(metric for metric in load.metrics if metric.key == (load.plotted or "proxy"))
        competitors = [
            competitor for competitor in results.competitors(load) if results.values(load, competitor, metric)
        ]
        panels.append(
            (
                load,
                metric,
                [
                    (competitor, statistics.median(results.values(load, competitor, metric)))
                    for competitor in competitors
                ],
            )
        )
    if not panels:
        raise ValueError("nothing to draw")
    height = HEADING + max(len(bars) for _, _, bars in panels) * (BAR_HEIGHT + BAR_GAP) + PADDING
    rows = -(-len(panels) // COLUMNS)
    width, total_height = COLUMNS * PANEL_WIDTH + 2 * MARGIN, rows * height + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total_height}" width="{width}" height="{total_height}">',
        "<title>Cost or latency of each proxy under each load; shorter is better</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{total_height}" fill="#ffffff"/>',
    ]
    for index, panel in enumerate(panels):
        x, y = MARGIN + index % COLUMNS * PANEL_WIDTH, MARGIN + index // COLUMNS * height
        parts += [f'<g transform="translate({x} {y})">', *bars_of(*panel), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def bars_of(load, metric, bars):
    yield f'<text class="load" x="0" y="18">{escape(load.title)}</text>'
    yield f'<text class="unit" x="0" y="35">{escape(metric.title)}, {escape(metric.unit)}; shorter is better</text>'
    longest = max(value for _, value in bars) or 1
    available_width = PANEL_WIDTH - NAME_WIDTH - VALUE_WIDTH
    for index, (competitor, value) in enumerate(bars):
        top = HEADING + index * (BAR_HEIGHT + BAR_GAP)
        kind = "ours" if competitor.is_ours else "other"
        length = max(1, value / longest * available_width)
        base = top + BAR_HEIGHT - 3
        name = escape(competitor.short)
        yield f'<text class="{kind}" x="{NAME_WIDTH - 8}" y="{base}" text-anchor="end">{name}</text>'
        yield f'<rect class="{kind}" x="{NAME_WIDTH}" y="{top}" width="{length:.1f}" height="{BAR_HEIGHT}"/>'
        yield f'<text class="{kind}" x="{NAME_WIDTH + length + 6:.1f}" y="{base}">{number(value)}</text>'
