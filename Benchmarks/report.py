"""From runs to tables: medians, the spread of the rounds, and ratios to the best other proxy."""

import statistics
from dataclasses import dataclass

from competitors import COMPETITORS
from loads import LOADS

TUNED_FOR_BULK = (
    "haproxy-pipesize",
    "haproxy-forced",
)  # tuned for bulk by an expert; excluded from the second comparison


@dataclass
class Results:
    """All runs, in order: `about` describes the environment, each of `runs` has load, competitor and measured values."""

    about: dict
    runs: list

    def as_json(self):
        return {"about": self.about, "runs": self.runs}

    @property
    def loads(self):
        present = {run["load"] for run in self.runs}
        return [load for load in LOADS if load.name in present]

    def competitors(self, load):
        present = {run["competitor"] for run in self.runs if run["load"] == load.name}
        return [competitor for competitor in COMPETITORS if competitor.name in present]

    def values(self, load, competitor, metric):
        """Returns one value for each round, in the metric's unit; empty if the competitor has no such metric."""
        return list(self.by_round(load, competitor, metric).values())

    def by_round(self, load, competitor, metric):
        return {
            run["round"]: run[metric.key] * metric.factor
            for run in self.runs
            if run["load"] == load.name and run["competitor"] == competitor.name and metric.key in run
        }

    def best(self, load, metric, without=()):
        """Returns the best of the other proxies: not a build of ours, and not the direct connection."""
        others = [
            competitor
            for competitor in self.competitors(load)
            if competitor.kind not in ("monkey", "baseline", "direct")
            and competitor.name not in without
            and self.values(load, competitor, metric)
        ]
        choose = max if metric.better == "more" else min
        return choose(
            others, key=lambda competitor: statistics.median(self.values(load, competitor, metric)), default=None
        )

    def ratios(self, load, metric, competitor, other):
        """Returns one ratio for each round, so that a change on the machine affects both values."""
        ours, theirs = self.by_round(load, competitor, metric), self.by_round(load, other, metric)
        return [value / theirs[round_number] for round_number, value in ours.items() if theirs.get(round_number)]

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
class Position:
    """The result of our proxy for one load and one metric, against the best of the others."""

    load: object
    metric: object
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
        return shown < 1 if self.metric.better == "more" else shown > 1

    @property
    def has_worse_median(self):
        """Whether our median is worse; the median of the ratios can be worse although this is not."""
        return self.ours < self.theirs if self.metric.better == "more" else self.ours > self.theirs

    @property
    def excess(self):
        """The factor by which our proxy is worse than the best."""
        return 1 / max(self.ratio, 1e-9) if self.metric.better == "more" else self.ratio


def positions(results, load, without=()):
    """Returns the standing for each value by which a load is judged."""
    ours = next((competitor for competitor in results.competitors(load) if competitor.is_ours), None)
    found = []
    for metric in load.metrics if ours else []:
        best = results.best(load, metric, without) if metric.better and metric.key != "machine" else None
        ratios = results.ratios(load, metric, ours, best) if best else []
        if ratios:
            medians = (statistics.median(results.values(load, competitor, metric)) for competitor in (ours, best))
            found.append(Position(load, metric, best, *medians, ratios))
    return found


def comparison(results, without=()):
    """Returns one table: ours over the best other proxy, a row for each load; bold if the other is better."""
    rows, columns = [], {}
    for load in results.loads:
        found = positions(results, load, without)
        if without and all(position.best == results.best(load, position.metric) for position in found):
            continue  # identical to the table with all proxies
        rows.append((load, {position.metric.key: position for position in found}))
        columns |= {metric.key: heading(metric) for metric in (position.metric for position in found)}
    ordered = [key for key in COLUMNS if key in columns]
    header = ["load", *(columns[key] for key in ordered)]
    return rows_of(header, [[load.title, *(cell(found.get(key)) for key in ordered)] for load, found in rows if found])


COLUMNS = {
    "proxy": "proxy's CPU",
    "p50": "p50",
    "p99": "p99",
    "throughput": "throughput",
    "bulk": "bulk beside",
    "user": "memory",
}
"""The columns of the comparison, in this order."""


def heading(metric):
    return f"{COLUMNS[metric.key]} ({metric.better} is better)"


def cell(position):
    if position is None:
        return ""
    mark = "**" if position.is_worse else ""
    minimum, maximum = (f"{value:.2f}" for value in (min(position.ratios), max(position.ratios)))
    rounds = f" ({minimum} to {maximum})" if len(position.ratios) > 1 else ""
    return f"{mark}{position.ratio:.2f}{mark}{rounds} {position.best.short}"


def change(results):
    """Returns the table of this build over the baseline, a row for each load: medians of the rounds' ratios."""
    rows, columns = [], {}
    for load in results.loads:
        by_name = {competitor.name: competitor for competitor in results.competitors(load)}
        if not {"monkey", "baseline"} <= by_name.keys():
            continue
        found = {}
        for metric in load.metrics:
            ratios = results.ratios(load, metric, by_name["monkey"], by_name["baseline"])
            if metric.better and metric.key in COLUMNS and ratios:
                found[metric.key] = ratio(ratios)
                columns[metric.key] = heading(metric)
        if found:
            rows.append((load, found))
    ordered = [key for key in COLUMNS if key in columns]
    header = ["load", *(columns[key] for key in ordered)]
    return rows_of(header, [[load.title, *(found.get(key, "") for key in ordered)] for load, found in rows]) if rows else ""


def losses(results):
    """Returns the loads and values in which another proxy is better than ours; the worst first."""
    compared = [found for found in (positions(results, load) for load in results.loads) if found]
    lost = [
        [position for position in found if position.is_worse and position.has_worse_median] for found in compared
    ]
    lost = sorted((found for found in lost if found), key=lambda found: -max(position.excess for position in found))
    if not compared:
        return "No load compares ours with another proxy."
    if not lost:
        return f"In none of {len(compared)} loads is another proxy better than ours."
    lines = [
        f"In {len(lost)} of {len(compared)} loads another proxy is better than ours in at least one value. Medians, ours against"
        " the best of the others for that value, and their ratio:",
        "",
    ]
    for found in lost:
        texts = [
            f"{position.metric.title} {number(position.ours)} against {number(position.theirs)} {position.metric.unit}"
            f" ({position.best.short}), {position.ratio:.2f}"
            for position in sorted(found, key=lambda position: -position.excess)
        ]
        title = found[0].load.title
        lines.append(f"- {title[0].upper()}{title[1:]}: {'; '.join(texts)}")
    return "\n".join(lines)


def table(results, load):
    """Returns the table of one load: a row for each proxy, and after each median its ratio to the best other
    proxy's."""
    header = [""]
    for metric in load.metrics:
        header += [f"{metric.title}, {metric.unit}"] + (["to best"] if metric.better else [])
    rows = []
    for competitor in results.competitors(load):
        row = [f"**{competitor.title}**" if competitor.is_ours else competitor.title]
        for metric in load.metrics:
            values, best = results.values(load, competitor, metric), results.best(load, metric)
            row.append(spread(values) if values else "")
            if metric.better:
                ratios = results.ratios(load, metric, competitor, best) if values and best else []
                row.append(f"{statistics.median(ratios):.2f}" if ratios else "")
        rows.append(row)
    return rows_of(header, rows)


def balancing_cost(results, load):
    """Returns the cost of balancing: ours with several servers over ours with one."""
    by_name = {competitor.name: competitor for competitor in results.competitors(load)}
    if not {"monkey", "monkey-proxy"} <= by_name.keys():
        return []
    texts = []
    for metric in load.metrics:
        if metric.better and metric.key != "machine":
            values = results.ratios(load, metric, by_name["monkey"], by_name["monkey-proxy"])
            if not values:
                continue
            texts.append(f"{metric.title} {ratio(values)}")
    return [f"Several servers over one, both ours: {', '.join(texts)}."] if texts else []


def markdown(results):
    about = results.about
    parts = [
        f"{about['date']}, {about['machine']}, {about['system']}, congestion control {about['congestion_control']},"
        f" {about['threads']} thread{'s' * (about['threads'] != 1)} for each proxy. {about['rounds']} rounds,"
        f" {about['seconds']:g} s each. `{about['command']}`",
        "Versions: " + ", ".join(f"{kind} {version}" for kind, version in about["versions"].items()) + ".",
    ]
    if table_of_change := change(results):
        parts += [
            "### Change",
            "This build over the baseline: the median of the rounds' ratios, and their minimum and maximum.",
            table_of_change,
        ]
    if any(positions(results, load) for load in results.loads) or not table_of_change:
        parts += [
            "### Summary",
            "Ours over the best of the others; bold where that one is better.",
            comparison(results),
        ]
    if any(position.best.name in TUNED_FOR_BULK for load in results.loads for position in positions(results, load)):
        parts += ["### Summary without HAProxy tuned for bulk", comparison(results, TUNED_FOR_BULK)]
    for load in results.loads:
        parts += [f"### {load.title[0].upper()}{load.title[1:]}", table(results, load), *balancing_cost(results, load)]
    if results.errors():
        failed = sorted({f"{run['competitor']} in {run['load']} ({run['errors']})" for run in results.errors()})
        parts.append(f"Connections or requests failed: {', '.join(failed)}.")
    return "\n\n".join(parts)
