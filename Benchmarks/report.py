"""From runs to tables: medians, the spread of the rounds, and ratios to the best rival."""

import statistics
from dataclasses import dataclass

from loads import LOADS
from rivals import RIVALS

EXPERT = ("haproxy-pipesize", "haproxy-forced")  # set by an expert for bulk; the second comparison leaves them out


@dataclass
class Results:
    """All runs, in the order they were made: `about` says where and how, each of `runs` has load, rival and figures."""

    about: dict
    runs: list

    def as_json(self):
        return {"about": self.about, "runs": self.runs}

    @property
    def loads(self):
        seen = {run["load"] for run in self.runs}
        return [load for load in LOADS if load.name in seen]

    def rivals(self, load):
        seen = {run["rival"] for run in self.runs if run["load"] == load.name}
        return [rival for rival in RIVALS if rival.name in seen]

    def values(self, load, rival, figure):
        """One value for each round, in the figure's unit; empty if the rival has no such figure."""
        return [
            run[figure.key] * figure.factor
            for run in self.runs
            if run["load"] == load.name and run["rival"] == rival.name and figure.key in run
        ]

    def best(self, load, figure, without=()):
        """The best of the others: none of ours, and not the floor."""
        others = [
            rival
            for rival in self.rivals(load)
            if not (rival.kind == "monkey" or rival.is_floor or rival.name in without) and self.values(load, rival, figure)
        ]
        choose = max if figure.better == "more" else min
        return choose(others, key=lambda rival: statistics.median(self.values(load, rival, figure)), default=None)

    def ratios(self, load, figure, rival, other):
        """Round by round, so that what changes on the machine meanwhile meets both."""
        pairs = zip(self.values(load, rival, figure), self.values(load, other, figure))
        return [ours / theirs for ours, theirs in pairs if theirs]

    def errors(self):
        """Runs in which something failed: their figures say little."""
        return [run for run in self.runs if run["errors"]]


def number(value):
    """Three significant digits, and no more places than that needs."""
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def spread(values, show=number):
    """The median, and the least and the most where there are several."""
    middle = show(statistics.median(values))
    if len(values) < 2:
        return middle
    return f"{middle} ({show(min(values))} to {show(max(values))})"


def ratio(values):
    return spread(values, lambda value: f"{value:.2f}")


def rows_of(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def comparison(results):
    """Where we stand in one table: our figure over that of the best rival, for each load."""
    header = ["load", "figure", "against the best rival", "which is", "against the best but the tuned HAProxy", "which is"]
    rows = []
    for load in results.loads:
        ours = next((rival for rival in results.rivals(load) if rival.is_ours), None)
        for figure in load.figures if ours else []:
            best = results.best(load, figure)
            if figure.better is None or figure.key == "machine" or best is None:
                continue
            row = [load.title, f"{figure.title} ({figure.better} is better)"]
            for other in (best, results.best(load, figure, without=EXPERT)):
                values = results.ratios(load, figure, ours, other) if other else []
                row += [f"{ratio(values)}", other.title] if values else ["", ""]
            rows.append(row)
    return rows_of(header, rows)


def table(results, load):
    """One load: a row for each rival, and behind each median its ratio to the best rival's."""
    header = [""]
    for figure in load.figures:
        header += [f"{figure.title}, {figure.unit}"] + (["to best"] if figure.better else [])
    rows = []
    for rival in results.rivals(load):
        row = [f"**{rival.title}**" if rival.is_ours else rival.title]
        for figure in load.figures:
            values, best = results.values(load, rival, figure), results.best(load, figure)
            row.append(spread(values) if values else "")
            if figure.better:
                ratios = results.ratios(load, figure, rival, best) if values and best else []
                row.append(f"{statistics.median(ratios):.2f}" if ratios else "")
        rows.append(row)
    return rows_of(header, rows)


def price(results, load):
    """What balancing costs: ours with several servers over ours with one."""
    by_name = {rival.name: rival for rival in results.rivals(load)}
    if not {"monkey", "monkey-proxy"} <= by_name.keys():
        return []
    told = []
    for figure in load.figures:
        if figure.better and figure.key != "machine":
            values = results.ratios(load, figure, by_name["monkey"], by_name["monkey-proxy"])
            told.append(f"{figure.title} {ratio(values)}")
    return [f"Several servers over one, both ours: {', '.join(told)}."]


def markdown(results):
    about = results.about
    parts = [
        f"{about['date']}, {about['machine']}, {about['system']}, congestion control {about['congestion_control']},"
        f" {about['threads']} thread{'s' * (about['threads'] != 1)} for each proxy. {about['rounds']} rounds,"
        f" {about['seconds']:g} s each. `{about['command']}`",
        "Versions: " + ", ".join(f"{kind} {version}" for kind, version in about["versions"].items()) + ".",
        "### In one look",
        comparison(results),
    ]
    for load in results.loads:
        parts += [f"### {load.title[0].upper()}{load.title[1:]}", table(results, load), *price(results, load)]
    if results.errors():
        failed = sorted({f"{run['rival']} in {run['load']} ({run['errors']})" for run in results.errors()})
        parts.append(f"Connections or requests failed: {', '.join(failed)}.")
    return "\n\n".join(parts)
