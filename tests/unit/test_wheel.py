"""Whoever installs the package gets `payment_worker`, and no module that another project may have as well."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_one_package(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"payment_worker"}
    needed = {
        "payment_worker/celeryconfig.py",
        "payment_worker/flowerconfig.py",
        "payment_worker/migrations/env.py",
    }
    assert needed <= set(names)
