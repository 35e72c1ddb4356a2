"""The rules of docs/tcp-contract.md, and the cases that test a proxy against them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from adapters import ROOT
from bench import Bench
from peer import Direction

CONTRACT = ROOT / "docs/tcp-contract.md"

BOTH_DIRECTIONS = (Direction.UPSTREAM, Direction.DOWNSTREAM)

SENTENCE = re.compile(r"^- \*\*(\w+)\*\* (.*?)(?=^\S|^$|\Z)", re.MULTILINE | re.DOTALL)
CASE_NAME = re.compile(r"`([a-z0-9]+(?:_[a-z0-9]+)+)`")

Function = TypeVar("Function", bound=Callable[..., None])


@dataclass(frozen=True)
class Case:
    """One case, with its direction if it has one."""

    name: str
    direction: Direction | None
    run: Callable[[Bench], None]

    @property
    def title(self) -> str:
        return f"{self.name} {self.direction.value}" if self.direction else self.name


CASES: list[Case] = []


def case(function: Callable[[Bench], None]) -> Callable[[Bench], None]:
    """Registers a function as a case with the function's name."""
    CASES.append(Case(function.__name__, None, function))
    return function


def case_each_direction(function: Callable[[Bench, Direction], None]) -> Callable[[Bench, Direction], None]:
    """Registers a function as a case for each direction, upstream and downstream."""
    CASES.extend(
        Case(function.__name__, direction, partial(function, direction=direction)) for direction in BOTH_DIRECTIONS
    )
    return function


@dataclass(frozen=True)
class Sentence:
    label: str
    text: str
    cases: list[str]


def sentences() -> list[Sentence]:
    """Returns the contract's rules, in its order."""
    found = []
    for label, body in SENTENCE.findall(CONTRACT.read_text()):
        text = " ".join(CASE_NAME.sub("", body).split()).rstrip(" ,")
        found.append(Sentence(label, text, CASE_NAME.findall(body)))
    return found


def contract_mismatches() -> list[str]:
    """Returns the differences between the contract and the cases: cases without a rule, names without a case."""
    cited = [name for sentence in sentences() for name in sentence.cases]
    names = {case.name for case in CASES}
    problems = [f"the contract names {name} twice" for name in sorted(set(cited)) if cited.count(name) > 1]
    problems += [f"the contract names {name}, which is not a case" for name in cited if name not in names]
    problems += [f"the case {name} has no rule in the contract" for name in sorted(names - set(cited))]
    return problems
