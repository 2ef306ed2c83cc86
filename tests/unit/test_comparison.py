"""What we are compared with is pinned whole, and never part of our own environment."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"[a-z0-9-]+==[0-9.]+")


def test_each_package_beside_dj_stripe_has_one_version() -> None:
    lines = (ROOT / "tools/compare_dj_stripe/requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert "dj-stripe" in {pin.partition("==")[0] for pin in pins}
    # Neither a range nor an option, such as another index.
    assert [pin for pin in pins if not PIN.fullmatch(pin)] == []
    # Without this, pip would choose what is not named.
    (install,) = re.findall(
        r"^\t.*compare_dj_stripe/requirements\.txt$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert "--no-deps" in install
    assert install.strip().startswith("build/dj-stripe/")
