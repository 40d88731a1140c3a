"""A real browser without a window: Chromium, spoken to through two pipes, so that nothing more need be installed."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def found() -> str | None:
    """Where the browser is: `NEURORNN_BROWSER`, or a Chromium on the path; `None` where there is none."""
    named = os.environ.get("NEURORNN_BROWSER")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One tab of a running Chromium, and everything that it told since it was opened."""

    def __init__(self, to: int, back: int) -> None:
        self.to, self.back, self.n, self.rest = to, back, 0, b""
        self.events: list[dict[str, Any]] = []
        self.session = ""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, *, patience: float = 60.0, **params: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and return its answer."""
        self.n += 1
        command: dict[str, Any] = {"id": self.n, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.to, json.dumps(command).encode() + b"\0")
        answer = self._until(lambda message: message.get("id") == self.n, patience, method)
        assert "error" not in answer, f"{method}: {answer['error']['message']}"
        return answer["result"]

    def wait(self, event: str, patience: float = 60.0) -> dict[str, Any]:
        """Return the next event of this name, and those before it to `events`."""
        for k, one in enumerate(self.events):
            if one["method"] == event:
                return self.events.pop(k)["params"]
        self._until(lambda message: message.get("method") == event, patience, event)
        return self.events.pop()["params"]

    def open(self, path: Path) -> None:
        """Load a file from disk and wait until all of it is there."""
        self.ask("Page.navigate", url=path.resolve().as_uri())
        self.wait("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """Return the value of an expression of JavaScript in the page."""
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def screen(self, width: int, height: int = 844, *, phone: bool = False) -> None:
        """Show the page on a screen of this size, CSS pixels."""
        scale = 2 if phone else 1
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )

    def picture(self, *, whole: bool = True) -> bytes:
        """Return the page as PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def told(self, event: str) -> list[dict[str, Any]]:
        """Every event of this name so far."""
        return [one["params"] for one in self.events if one["method"] == event]

    def _until(self, right: Any, patience: float, what: str) -> dict[str, Any]:
        end = time.monotonic() + patience
        while True:
            while b"\0" in self.rest:
                line, _, self.rest = self.rest.partition(b"\0")
                message = json.loads(line)
                if "method" in message:
                    self.events.append(message)
                if right(message):
                    return message
            ready, _, _ = select([self.back], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"The browser did not answer within {patience:g} s: {what}"
            more = os.read(self.back, 1 << 20)
            assert more, f"The browser ended: {what}"
            self.rest += more


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    """Give a browser that is ended afterwards, with a profile of its own that is thrown away."""
    (in_read, in_write), (out_read, out_write) = os.pipe(), os.pipe()
    flags = ["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage"]
    flags += ["--disable-background-networking", "--disable-component-update", "--no-default-browser-check"]
    flags += ["--hide-scrollbars", "--force-color-profile=srgb", "--disable-extensions", "--disable-sync"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium refuses to run as root with it

    def wire() -> None:  # Chromium reads commands from 3 and answers to 4
        os.dup2(in_read, 1003)
        os.dup2(out_write, 1004)
        os.dup2(1003, 3)
        os.dup2(1004, 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [path, *flags, f"--user-data-dir={profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=wire,
            close_fds=False,
        )
        os.close(in_read)
        os.close(out_write)
        try:
            yield Browser(in_write, out_read)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(in_write)
            os.close(out_read)
