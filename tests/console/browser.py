"""A real browser, driven over the WebDriver protocol, which is plain HTTP: `chromium` and `chromium-driver`."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from payment_worker.devstack.ports import LOOPBACK, answers, free_port
from payment_worker.devstack.processes import Process

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The name under which the protocol hands elements over."""

TAB, ENTER = "\ue004", "\ue007"


class Browser:
    """One window."""

    def __init__(self, port: int, *, arguments: list[str]) -> None:
        self._port = port
        options = {
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *arguments]
        }
        made = self._ask(
            "POST", "/session", {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        )
        self._path = f"/session/{made['sessionId']}"

    def close(self) -> None:
        """Close it."""
        self._ask("DELETE", self._path)

    def look(self, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Have a screen of this size, light or dark."""
        self._devtools(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._devtools("Emulation.setEmulatedMedia", {"features": scheme})

    def run_scripts(self, *, allowed: bool) -> None:
        """Whether pages may run scripts."""
        self._devtools("Emulation.setScriptExecutionDisabled", {"value": not allowed})

    def open(self, url: str) -> None:
        """Go to a page and wait until it is there."""
        self._ask("POST", f"{self._path}/url", {"url": url})

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self._ask("GET", f"{self._path}/url"))

    @property
    def title(self) -> str:
        """The title of the page."""
        return str(self._ask("GET", f"{self._path}/title"))

    def find(self, selector: str) -> str:
        """The first element of this CSS selector."""
        found = self._ask("POST", f"{self._path}/element", {"using": "css selector", "value": selector})
        return str(found[_ELEMENT])

    def find_all(self, selector: str) -> list[str]:
        """All elements of this CSS selector."""
        query = {"using": "css selector", "value": selector}
        return [str(each[_ELEMENT]) for each in self._ask("POST", f"{self._path}/elements", query)]

    def text(self, selector: str) -> str:
        """What can be read of an element."""
        return str(self._ask("GET", f"{self._path}/element/{self.find(selector)}/text"))

    def name(self, element: str) -> str:
        """What a screen reader calls an element."""
        return str(self._ask("GET", f"{self._path}/element/{element}/computedlabel"))

    def click(self, selector: str) -> None:
        """Click on an element."""
        self._ask("POST", f"{self._path}/element/{self.find(selector)}/click", {})

    def press(self, keys: str) -> None:
        """Press keys, one after the other."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        pressed = {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}
        self._ask("POST", f"{self._path}/actions", pressed)

    def focused(self) -> str:
        """The element that the keyboard acts on."""
        return str(self._ask("GET", f"{self._path}/element/active")[_ELEMENT])

    def run(self, script: str) -> Any:  # noqa: ANN401 - whatever the script returns
        """Run a script and return what it does."""
        return self._ask("POST", f"{self._path}/execute/sync", {"script": script, "args": []})

    def logged(self) -> list[Mapping[str, Any]]:
        """What the console of the browser says since it was asked last: faults of the page, refused loads."""
        return list(self._ask("POST", f"{self._path}/se/log", {"type": "browser"}))

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Save how it looks, all of it or what is seen without scrolling."""
        shown = self._devtools("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        path.write_bytes(base64.b64decode(shown["data"]))

    def _devtools(self, command: str, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401 - as above
        asked = {"cmd": command, "params": parameters}
        return self._ask("POST", f"{self._path}/goog/cdp/execute", asked)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401
        with closing(HTTPConnection(LOOPBACK, self._port, timeout=60)) as connection:
            connection.request(method, path, None if body is None else json.dumps(body))
            value = json.loads(connection.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"{path}: {value['error']}: {value['message']}")
        return value


@contextmanager
def driving(directory: Path, *, arguments: list[str] | None = None) -> Iterator[Browser]:
    """A browser, and the driver that it needs."""
    port = free_port()
    command = ["chromedriver", f"--port={port}"]
    log = directory / "chromedriver.log"
    with Process(command, log=log, ready=lambda: answers(port)).start() as driver:
        driver.wait_ready()
        with closing(Browser(port, arguments=arguments or [])) as browser:
            yield browser
