"""A shell completes commands and options once it has been told how: `payment-worker --install-completion`."""

import subprocess
import sys
from pathlib import Path

import pytest

from payment_worker.devstack.programs import clean_environment

BIN = Path(sys.executable).parent
ASK_BASH = """
eval "$(payment-worker --show-completion)"
COMP_WORDS=(payment-worker {words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_payment_worker_completion payment-worker
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "completed"), [("rec", "reconcile"), ("charge --am", "--amount"), ("events li", "list")]
)
def test_bash_completes_commands_and_options(words: str, completed: str) -> None:
    done = subprocess.run(
        ["/bin/bash", "-c", ASK_BASH.format(words=words)],
        env=clean_environment({"PATH": f"{BIN}:/usr/bin:/bin"}),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert (done.stdout, done.stderr) == (f"{completed}\n", "")
