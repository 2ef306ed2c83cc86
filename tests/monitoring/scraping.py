"""Asking as Prometheus does, and reading its text format without its client."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.request import urlopen

_SAMPLE = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Scrape:
    """What one process told."""

    text: str

    def samples(self) -> list[tuple[str, Mapping[str, str], float]]:
        """Name, labels and value of each."""
        lines = [line for line in self.text.splitlines() if line and not line.startswith("#")]
        found = [_SAMPLE.fullmatch(line) for line in lines]
        assert all(found), self.text
        return [
            (each["name"], dict(_LABEL.findall(each["labels"] or "")), float(each["value"]))
            for each in found
            if each
        ]

    def names(self) -> set[str]:
        """Those of all samples."""
        return {name for name, _, _ in self.samples()}

    def families(self) -> set[str]:
        """What is described, whether there is a sample of it or not; counters without their ending."""
        return set(re.findall(r"^# TYPE (\S+)", self.text, re.MULTILINE))

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of the samples that have these labels; None where there is none."""
        values = [
            value for each, found, value in self.samples() if each == name and labels.items() <= found.items()
        ]
        return sum(values) if values else None


def scrape(port: int) -> Scrape:
    """Ask the process that listens there."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return Scrape(answer.read().decode())
