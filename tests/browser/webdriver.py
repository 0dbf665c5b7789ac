# SPDX-License-Identifier: MIT
"""A browser that a test drives: chromedriver, spoken to as the W3C's WebDriver has it (JSON over
HTTP), with nothing but Python's own library."""

import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

PATIENCE = 30.0


class Browser:
    def __init__(self, keys=()):
        """keys: SHA-256 of public keys, in base64; a certificate of one of those is trusted by this
        browser, whoever has signed it, and no other is."""
        self.profile = tempfile.TemporaryDirectory(prefix="tcpd-browser-")
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, start_new_session=True)
        self.url = f"http://127.0.0.1:{self._port()}"
        threading.Thread(target=self.driver.stdout.read, daemon=True).start()
        arguments = ["--headless=new", f"--user-data-dir={self.profile.name}", "--no-first-run",
                     "--disable-dev-shm-usage", "--window-size=900,640",
                     f"--ignore-certificate-errors-spki-list={','.join(keys)}"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # its sandbox is not for root
        capabilities = {"goog:chromeOptions": {"args": arguments},
                        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self.session = ""
        self.session = "/session/" + self.call(
            "/session", {"capabilities": {"alwaysMatch": capabilities}})["sessionId"]

    def _port(self):
        for line in self.driver.stdout:
            if found := re.search(r"on port (\d+)\.$", line):
                return int(found[1])
        raise AssertionError("chromedriver did not start")

    def call(self, path, body=None, method=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + self.session + path, data, {"Content-Type": "application/json"},
            method=method or ("POST" if data else "GET"))
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"]) from None

    def open(self, url):
        self.call("/url", {"url": url})

    def run(self, script, *args):
        """What the script returns; a promise is waited for."""
        return self.call("/execute/sync", {"script": script, "args": args})

    def wait(self, script, *args):
        """The first true value of an expression."""
        end = time.monotonic() + PATIENCE
        while not (value := self.run(f"return {script}", *args)):
            assert time.monotonic() < end, f"{script} did not become true"
            time.sleep(0.02)
        return value

    def complaints(self):
        """What the browser has put on its console: blocked by a policy, not found ..."""
        return [entry["message"] for entry in self.call("/se/log", {"type": "browser"})]

    def requests(self):
        """URLs that were asked for since the last call, by pages or by the browser itself."""
        messages = [json.loads(entry["message"])["message"]
                    for entry in self.call("/se/log", {"type": "performance"})]
        return [message["params"]["request"]["url"] for message in messages
                if message["method"] == "Network.requestWillBeSent"]

    def tell(self, command, **params):
        """A command of the browser's own protocol (CDP); what it answers."""
        return self.call("/goog/cdp/execute", {"cmd": command, "params": params})

    def source(self):
        return self.call("/source")

    def press(self, key):
        """A key, by its code of WebDriver."""
        self.call("/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": [
            {"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]}]})

    def picture(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("/screenshot")))

    def close(self):
        with contextlib.suppress(AssertionError, OSError):
            self.call("", method="DELETE")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.driver.pid, signal.SIGKILL)
        self.driver.wait()
        self.profile.cleanup()
