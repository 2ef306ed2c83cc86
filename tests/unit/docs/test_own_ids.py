"""The recipes for a `payment_id` from a number of one's own give the same UUID in every language."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "integrate" / "index.md"
COMMANDS = {"python": [sys.executable], "javascript": ["node"], "java": ["java"]}
NAMES = {"python": "own.py", "javascript": "own.mjs", "java": "Uuid5.java"}


@pytest.mark.parametrize("language", COMMANDS)
def test_each_recipe_prints_the_uuid_that_the_page_says(language: str, tmp_path: Path) -> None:
    text = PAGE.read_text()
    (said,) = re.findall(r"All three print `([0-9a-f-]{36})`", text)
    code = re.findall(rf"```{language}\n(.*?uuid.*?)```", text, re.DOTALL | re.IGNORECASE)[0]
    if shutil.which(COMMANDS[language][0]) is None:
        pytest.skip(f"{COMMANDS[language][0]} is not here")
    file = tmp_path / NAMES[language]
    file.write_text(code)
    done = subprocess.run([*COMMANDS[language], str(file)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == said, done.stderr
