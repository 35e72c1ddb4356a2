"""Who keeps what: as a table to print, and as docs/conformance.md."""

import platform
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from adapters import OURS, ROOT, Adapter
from contract import CASES, Case, sentences

PAGE = ROOT / "docs/conformance.md"


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
        order = [adapter.name for adapter in OURS]
        return sorted(
            self.adapters.values(),
            key=lambda adapter: order.index(adapter.name) if adapter.name in order else len(order),
        )

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
        lines = [
            "# Who keeps the TCP contract",
            "",
            "[tcp-contract.md](tcp-contract.md) says, sentence by sentence, what two programs can rely on that speak"
            " through the proxy. The same cases were run against other proxies. It is our contract: nobody else has"
            " promised it, and a proxy that breaks a sentence may have its reasons.",
            "",
            f"Written by `just conformance` on {date.today().isoformat()}, Linux {platform.release()}, on loopback.",
            "Each proxy is in its best configuration for this purpose, see"
            " [Conformance/adapters.py](../Conformance/adapters.py).",
            "",
            "- ✓ the sentence was kept, ✗ it was not; ↑ from client to server, ↓ from server to client, where the two"
            " differ",
            "- – the proxy has no such setting",
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
        found = [
            self.outcomes[adapter.name, case.title]
            for _, cases in self._rows
            for case in cases
            if self.outcomes[adapter.name, case.title].verdict is not Verdict.KEPT
        ]
        if not found:
            return []
        lines = [f"**{adapter.title}**", ""]
        lines += [f"- `{item.case.name}`{_arrow(item.case)}: {item.seen}" for item in found]
        return [*lines, ""]


def _arrow(case: Case) -> str:
    return f" {case.way.value}" if case.way else ""


def _counted(counts: Counter[Verdict]) -> str:
    said = f"{counts[Verdict.KEPT]} kept, {counts[Verdict.BROKEN]} broken"
    return said + f", {counts[Verdict.NOT_APPLICABLE]} without such a setting" * bool(counts[Verdict.NOT_APPLICABLE])
