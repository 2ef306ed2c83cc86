"""The image says what it is and what is in it, and runs as nobody special."""

import re
import tomllib
from pathlib import Path

from tools.sbom import document

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_its_labels_say_what_the_package_says() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', DOCKERFILE))
    assert labels == {
        "title": PROJECT["name"],
        "description": PROJECT["description"],
        "version": PROJECT["version"],
        "licenses": PROJECT["license"],
        "revision": "${REVISION}",
    }


def test_its_bill_of_materials_names_every_package_in_the_version_that_is_pinned() -> None:
    components = document()["components"]
    assert isinstance(components, list)
    found = {each["name"]: each["version"] for each in components}
    pins = re.findall(
        r"^([\w.-]+)==([^ ]+) \\$",
        (ROOT / "requirements/runtime.txt").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert len(pins) > 30
    # This environment is made of the same pins, and of more.
    assert {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}.items() <= found.items()
    assert len({each["purl"] for each in components}) == len(components)
