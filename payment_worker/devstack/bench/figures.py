"""Prints the benchmark's figures, each with its goal and whether it was met."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured. Without a goal it is there to be read beside another."""

    name: str
    unit: str
    value: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def goal(self) -> str:
        """The goal as it is shown; empty without one."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return "" if self.at_least is None else f"≥ {self.at_least:g}"

    @property
    def is_met(self) -> bool | None:
        """Whether the goal was met; None without one."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least


def as_json(figures: Iterable[Figure]) -> str:
    """The figures for machines."""
    return json.dumps(
        [
            {
                "figure": each.name,
                "unit": each.unit,
                "value": round(each.value, 3),
                "at_most": each.at_most,
                "at_least": each.at_least,
                "is_met": each.is_met,
            }
            for each in figures
        ],
        indent=2,
        ensure_ascii=False,
    )


def as_table(figures: Iterable[Figure]) -> Table:
    """The figures for people."""
    table = Table("figure", "measured", "unit", "goal", "verdict", title="One run on this machine")
    for each in figures:
        verdict = {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[each.is_met]
        table.add_row(each.name, f"{each.value:.2f}", each.unit, each.goal, verdict)
    return table
