"""Who keeps what: as a table to print, and as docs/conformance.md."""

import platform
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from adapters import OTHERS, OURS, ROOT, Adapter
from contract import CASES, Case, sentences

PAGE = ROOT / "docs/conformance.md"

HEADING = """\
# Who keeps the TCP contract

[tcp-contract.md](tcp-contract.md) says, sentence by sentence, what two programs can rely on that speak through the
proxy. The same cases were run against other proxies. It is our contract: nobody else has promised it, and a proxy that
breaks a sentence may have its reasons. What depends on a race was seen in this run, and may not be in the next.

Written by `just conformance` on {date}, with Linux {kernel}, on loopback. `just conformance haproxy` runs one proxy,
and `Conformance/run 'PROGRAM {{listen}} {{target}}'` any other. Each is in the configuration that keeps most, see
[adapters.py](../Conformance/adapters.py); time-outs that a case is not about are an hour where they cannot be switched
off. `Conformance/run --self-test` shows, with toy proxies that each do one thing wrong, that every case can fail.

- ✓ the sentence was kept
- ✗ it was not; ↑ from client to server, ↓ from server to client, where the two differ
- – the proxy has no such setting"""


class Verdict(Enum):
    KEPT = "✓"
    BROKEN = "✗"
    NOT_APPLICABLE = "–"


@dataclass(frozen=True)
class Outcome:
    adapter: Adapter
    case: Case
    verdict: Verdict
    seen: str
    seconds: float


@dataclass
class Matrix:
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    adapters: dict[str, Adapter] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        self.outcomes[outcome.adapter.name, outcome.case.title] = outcome
        self.adapters[outcome.adapter.name] = outcome.adapter

    def pairs_kept(self) -> list[tuple[Adapter, Case]]:
        return [(item.adapter, item.case) for item in self.outcomes.values() if item.verdict is Verdict.KEPT]

    def broken(self, adapter: Adapter) -> list[Outcome]:
        return [
            outcome
            for outcome in self.outcomes.values()
            if outcome.adapter is adapter and outcome.verdict is Verdict.BROKEN
        ]

    @property
    def _columns(self) -> list[Adapter]:
        order = [adapter.name for adapter in (*OURS, *OTHERS)]
        return sorted(self.adapters.values(), key=lambda item: order.index(item.name) if item.name in order else 0)

    @property
    def _rows(self) -> list[tuple[str, list[Case]]]:
        """The names of the cases that were run, in the contract's order, each with its directions."""
        run = {title for _, title in self.outcomes}
        names = [name for sentence in sentences() for name in sentence.cases]
        rows = [(name, [case for case in CASES if case.name == name and case.title in run]) for name in names]
        return [(name, cases) for name, cases in rows if cases]

    def _cell(self, adapter: Adapter, cases: list[Case]) -> str:
        """One sign, or one for each direction where they differ."""
        found = [self.outcomes[adapter.name, case.title] for case in cases]
        signs = {outcome.verdict.value for outcome in found}
        if len(signs) == 1:
            return signs.pop()
        return " ".join(f"{outcome.case.way.value}{outcome.verdict.value}" for outcome in found if outcome.case.way)

    def text(self) -> str:
        rows = [[name, *(self._cell(adapter, cases) for adapter in self._columns)] for name, cases in self._rows]
        table = [["", *(adapter.name for adapter in self._columns)], *rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table)

    def summary(self) -> str:
        lines = []
        for adapter in self._columns:
            counts = Counter(outcome.verdict for outcome in self.outcomes.values() if outcome.adapter is adapter)
            lines.append(f"{adapter.title}: {_counted(counts)}")
        return "\n".join(lines)

    # The page

    def write_page(self) -> None:
        PAGE.write_text("\n".join(self._page()) + "\n")

    def _page(self) -> list[str]:
        ours = [adapter for adapter in self._columns if adapter in OURS]
        columns = [ours, *([adapter] for adapter in self._columns if adapter not in OURS)]
        titles = ["monkey", *(adapter.title for adapter in self._columns if adapter not in OURS)]
        kernel = ".".join(platform.release().split(".")[:2])
        lines = [
            *HEADING.format(date=date.today().isoformat(), kernel=kernel).splitlines(),
            "",
            "| | Version | Kept | Broken | No such setting |",
            "|---|---|---|---|---|",
        ]
        for adapter in self._columns:
            counts = Counter(outcome.verdict for outcome in self.outcomes.values() if outcome.adapter is adapter)
            figures = " | ".join(str(counts[verdict]) for verdict in Verdict)
            lines.append(f"| {adapter.title} | {adapter.version()} | {figures} |")
        lines += ["", "| | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
        labels = {name: sentence.label for sentence in sentences() for name in sentence.cases}
        for name, cases in self._rows:
            cells = [self._merged(group, cases) for group in columns]
            lines.append(f"| {labels[name]} `{name}` | " + " | ".join(cells) + " |")
        lines += ["", "## What was seen", ""]
        for adapter in self._columns:
            lines += self._findings(adapter)
        return lines[:-1]

    def _merged(self, adapters: list[Adapter], cases: list[Case]) -> str:
        cells = {adapter.name: self._cell(adapter, cases) for adapter in adapters}
        if len(set(cells.values())) == 1:
            return next(iter(cells.values()))
        return "<br>".join(f"{name} {cell}" for name, cell in cells.items() if cell != Verdict.KEPT.value)

    def _findings(self, adapter: Adapter) -> list[str]:
        """A line for each case that was broken, and one for each setting that there is not."""
        lines: list[str] = []
        missing: dict[str, list[str]] = {}
        for name, cases in self._rows:
            found = [self.outcomes[adapter.name, case.title] for case in cases]
            seen = [
                f"{item.case.way.value} {item.seen}" if item.case.way else item.seen
                for item in found
                if item.verdict is Verdict.BROKEN
            ]
            if seen:
                lines.append(f"- `{name}`: {'; '.join(seen)}")
            for item in found:
                names = missing.setdefault(item.seen, [])
                if item.verdict is Verdict.NOT_APPLICABLE and name not in names:
                    names.append(name)
        lines += [
            f"- – {reason}: {', '.join(f'`{name}`' for name in names)}" for reason, names in missing.items() if names
        ]
        return [f"**{adapter.title}**", "", *lines, ""] if lines else []


def _counted(counts: Counter[Verdict]) -> str:
    said = f"{counts[Verdict.KEPT]} kept, {counts[Verdict.BROKEN]} broken"
    return said + f", {counts[Verdict.NOT_APPLICABLE]} without such a setting" * bool(counts[Verdict.NOT_APPLICABLE])
