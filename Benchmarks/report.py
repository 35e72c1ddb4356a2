"""From runs to tables: medians, the spread of the rounds, and ratios to the best other proxy."""

import statistics
from dataclasses import dataclass

from loads import LOADS
from rivals import RIVALS

EXPERT = ("haproxy-pipesize", "haproxy-forced")  # tuned for bulk by an expert; excluded from the second comparison


@dataclass
class Results:
    """All runs, in order: `about` describes the environment, each of `runs` has load, rival and measured values."""

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
        """Returns one value for each round, in the figure's unit; empty if the rival has no such figure."""
        return list(self.by_round(load, rival, figure).values())

    def by_round(self, load, rival, figure):
        return {
            run["round"]: run[figure.key] * figure.factor
            for run in self.runs
            if run["load"] == load.name and run["rival"] == rival.name and figure.key in run
        }

    def best(self, load, figure, without=()):
        """Returns the best of the other proxies: not ours and not the floor."""
        others = [
            rival
            for rival in self.rivals(load)
            if not (rival.kind == "monkey" or rival.is_floor or rival.name in without) and self.values(load, rival, figure)
        ]
        choose = max if figure.better == "more" else min
        return choose(others, key=lambda rival: statistics.median(self.values(load, rival, figure)), default=None)

    def ratios(self, load, figure, rival, other):
        """Returns one ratio for each round, so that a change on the machine affects both values."""
        ours, theirs = self.by_round(load, rival, figure), self.by_round(load, other, figure)
        return [value / theirs[turn] for turn, value in ours.items() if theirs.get(turn)]

    def errors(self):
        """Returns the runs with failures, whose values are unreliable."""
        return [run for run in self.runs if run["errors"]]


def number(value):
    """Formats a number with three significant digits, with no more decimals than needed."""
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def spread(values, show=number):
    """Formats the median, and the minimum and maximum if there are several values."""
    middle = show(statistics.median(values))
    if len(values) < 2:
        return middle
    return f"{middle} ({show(min(values))} to {show(max(values))})"


def ratio(values):
    return spread(values, lambda value: f"{value:.2f}")


def rows_of(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def merged(several):
    """Merges the results of several invocations: the metadata of the first, and all runs. If several contain the
    same load, the last one counts."""
    first, *others = several
    runs, commands, versions = first.runs, [first.about["command"]], dict(first.about["versions"])
    for other in others:
        commands.append(other.about["command"])
        versions |= other.about["versions"]
        again = {run["load"] for run in other.runs}
        runs = [run for run in runs if run["load"] not in again] + other.runs
    return Results({**first.about, "command": "`, `".join(dict.fromkeys(commands)), "versions": versions}, runs)


@dataclass
class Standing:
    """The position of our proxy for one load and one value: against the best of the others."""

    load: object
    figure: object
    best: object
    ours: float
    theirs: float
    ratios: list

    @property
    def ratio(self):
        return statistics.median(self.ratios)

    @property
    def is_worse(self):
        """Whether our proxy is worse by an amount that shows in two decimals."""
        shown = round(self.ratio, 2)
        return shown < 1 if self.figure.better == "more" else shown > 1

    @property
    def excess(self):
        """The factor by which our proxy is worse than the best."""
        return 1 / max(self.ratio, 1e-9) if self.figure.better == "more" else self.ratio


def standings(results, load, without=()):
    """Returns the standing for each value by which a load is judged."""
    ours = next((rival for rival in results.rivals(load) if rival.is_ours), None)
    found = []
    for figure in load.figures if ours else []:
        best = results.best(load, figure, without) if figure.better and figure.key != "machine" else None
        ratios = results.ratios(load, figure, ours, best) if best else []
        if ratios:
            medians = (statistics.median(results.values(load, rival, figure)) for rival in (ours, best))
            found.append(Standing(load, figure, best, *medians, ratios))
    return found


def comparison(results, without=()):
    """Returns one table: ours over the best other proxy, a row for each load; bold if the other is better."""
    rows, columns = [], {}
    for load in results.loads:
        found = standings(results, load, without)
        if without and all(standing.best == results.best(load, standing.figure) for standing in found):
            continue  # identical to the table with all proxies
        rows.append((load, {standing.figure.key: standing for standing in found}))
        columns |= {figure.key: heading(figure) for figure in (standing.figure for standing in found)}
    ordered = [key for key in COLUMNS if key in columns]
    header = ["load", *(columns[key] for key in ordered)]
    return rows_of(header, [[load.title, *(cell(found.get(key)) for key in ordered)] for load, found in rows if found])


COLUMNS = {"proxy": "proxy's CPU", "p50": "p50", "p99": "p99", "throughput": "throughput", "bulk": "bulk beside", "user": "memory"}
"""The columns of the comparison, in this order."""


def heading(figure):
    return f"{COLUMNS[figure.key]} ({figure.better} is better)"


def cell(standing):
    if standing is None:
        return ""
    mark = "**" if standing.is_worse else ""
    least, most = (f"{value:.2f}" for value in (min(standing.ratios), max(standing.ratios)))
    rounds = f" ({least} to {most})" if len(standing.ratios) > 1 else ""
    return f"{mark}{standing.ratio:.2f}{mark}{rounds} {standing.best.short}"


def losses(results):
    """Returns the loads and values in which another proxy is better than ours; the worst first."""
    judged = [found for found in (standings(results, load) for load in results.loads) if found]
    lost = [[standing for standing in found if standing.is_worse] for found in judged]
    lost = sorted((found for found in lost if found), key=lambda found: -max(standing.excess for standing in found))
    if not judged:
        return "No load compares ours with another proxy."
    if not lost:
        return f"In none of {len(judged)} loads is another proxy better than ours."
    lines = [
        f"In {len(lost)} of {len(judged)} loads another proxy is better than ours in at least one value. Medians, ours against"
        " the best of the others for that value, and their ratio:",
        "",
    ]
    for found in lost:
        told = [
            f"{standing.figure.title} {number(standing.ours)} against {number(standing.theirs)} {standing.figure.unit}"
            f" ({standing.best.short}), {standing.ratio:.2f}"
            for standing in sorted(found, key=lambda standing: -standing.excess)
        ]
        title = found[0].load.title
        lines.append(f"- {title[0].upper()}{title[1:]}: {'; '.join(told)}")
    return "\n".join(lines)


def table(results, load):
    """Returns the table of one load: a row for each proxy, and after each median its ratio to the best other
    proxy's."""
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
    """Returns the cost of balancing: ours with several servers over ours with one."""
    by_name = {rival.name: rival for rival in results.rivals(load)}
    if not {"monkey", "monkey-proxy"} <= by_name.keys():
        return []
    told = []
    for figure in load.figures:
        if figure.better and figure.key != "machine":
            values = results.ratios(load, figure, by_name["monkey"], by_name["monkey-proxy"])
            if not values:
                continue
            told.append(f"{figure.title} {ratio(values)}")
    return [f"Several servers over one, both ours: {', '.join(told)}."] if told else []


def markdown(results):
    about = results.about
    parts = [
        f"{about['date']}, {about['machine']}, {about['system']}, congestion control {about['congestion_control']},"
        f" {about['threads']} thread{'s' * (about['threads'] != 1)} for each proxy. {about['rounds']} rounds,"
        f" {about['seconds']:g} s each. `{about['command']}`",
        "Versions: " + ", ".join(f"{kind} {version}" for kind, version in about["versions"].items()) + ".",
        "### Summary",
        "Ours over the best of the others; bold where that one is better.",
        comparison(results),
    ]
    if any(standing.best.name in EXPERT for load in results.loads for standing in standings(results, load)):
        parts += ["### Summary without HAProxy tuned for bulk", comparison(results, EXPERT)]
    for load in results.loads:
        parts += [f"### {load.title[0].upper()}{load.title[1:]}", table(results, load), *price(results, load)]
    if results.errors():
        failed = sorted({f"{run['rival']} in {run['load']} ({run['errors']})" for run in results.errors()})
        parts.append(f"Connections or requests failed: {', '.join(failed)}.")
    return "\n\n".join(parts)
