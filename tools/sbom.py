"""Writes a software bill of materials of the running Python's environment, as CycloneDX 1.6, to standard output."""

import json
import re
from collections.abc import Mapping
from importlib.metadata import Distribution, distributions


def document() -> Mapping[str, object]:
    """The packages that are installed, by name."""
    components = sorted((_component(each) for each in distributions()), key=lambda each: str(each["name"]))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}


def _component(package: Distribution) -> Mapping[str, object]:
    name = re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()
    url = f"pkg:pypi/{name}@{package.version}"
    licence = next(iter(package.metadata.get_all("License-Expression") or ()), None)
    known = {"licenses": [{"expression": licence}]} if licence else {}
    return {
        "type": "library",
        "bom-ref": url,
        "name": name,
        "version": package.version,
        "purl": url,
        **known,
    }


if __name__ == "__main__":
    print(json.dumps(document(), indent=1))  # noqa: T201 - its purpose
