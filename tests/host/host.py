"""A real ComfyUI server in a subprocess, driven through its HTTP API."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image

from .install_host import host_python

SHIM = Path(__file__).parent / "shim"
REQUEST_SECONDS = 30.0
POLL_SECONDS = 0.05


class HostError(Exception):
    """The server did not start, died, or did not answer in time."""


class Refused(Exception):
    """The server refused a prompt. ``node_errors`` maps node ids to what it found there, as the server sent it."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.node_errors: dict[str, Any] = answer.get("node_errors") or {}
        found = [(node, error) for node, errors in self.node_errors.items() for error in errors["errors"]]
        lines = [f"node {node}: {error['message']}: {error['details']}" for node, error in found]
        super().__init__("\n".join([(answer.get("error") or {}).get("message", "some outputs were refused"), *lines]))


class NodeFailed(Exception):
    """A node raised while the prompt ran."""

    def __init__(self, node_type: str, kind: str, message: str) -> None:
        self.node_type, self.kind, self.message = node_type, kind, message
        super().__init__(f"{node_type}: {kind}: {message}")


class Interrupted(Exception):
    """The prompt was cancelled."""


class Host:
    """A ComfyUI server on the CPU with a base directory of its own; a context manager.

    Args:
        install: Where ``install_host.py`` put ComfyUI.
        packs: Node packs by the folder name each is to have under ``custom_nodes``; they are linked, not copied.
        extra_model_paths: A file for ``--extra-model-paths-config``.
        arguments: Further arguments for ComfyUI's ``main.py``.
        ready_seconds: How long the server may take to start.
    """

    def __init__(
        self,
        install: Path,
        packs: Mapping[str, Path],
        *,
        extra_model_paths: Path | None = None,
        arguments: Sequence[str] = (),
        ready_seconds: float = 180.0,
    ) -> None:
        self._install = install.resolve()
        self._packs = dict(packs)
        self._arguments = list(arguments)
        if extra_model_paths is not None:
            self._arguments += ["--extra-model-paths-config", str(extra_model_paths.resolve())]
        self._ready_seconds = ready_seconds

    def __enter__(self) -> Host:
        self.base = Path(tempfile.mkdtemp(prefix="comfyui-"))
        for name in ("custom_nodes", "input", "output", "models", "user"):
            (self.base / name).mkdir()
        for name, pack in self._packs.items():
            (self.base / "custom_nodes" / name).symlink_to(pack.resolve(), target_is_directory=True)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._process = self._start(port)
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def object_info(self, node_id: str | None = None) -> dict[str, Any]:
        """What the server tells about one node, or about all of them by node id."""
        if node_id is None:
            return self._request("/object_info")
        return self._request(f"/object_info/{urllib.parse.quote(node_id)}")[node_id]

    def get(self, path: str, parse: bool = True) -> Any:
        """The server's answer to a GET: parsed JSON, or else the bytes."""
        return self._request(path, parse=parse)

    def upload(self, path: Path, name: str | None = None) -> str:
        """Puts a file into the server's input folder; returns the name LoadImage knows it by."""
        return Path(shutil.copy(path, self.base / "input" / (name or path.name))).name

    def queue(self, prompt: Mapping[str, Any]) -> str:
        """Queues an API-format prompt and returns its id.

        Raises:
            Refused: The server found an input wrong, be it only for one of several outputs.
        """
        body = {"prompt": prompt, "client_id": uuid.uuid4().hex}
        try:
            answer = self._request("/prompt", body)
        except urllib.error.HTTPError as error:
            if error.code != 400:
                raise
            raise Refused(json.load(error)) from None
        if answer["node_errors"]:
            raise Refused(answer)
        return answer["prompt_id"]

    def wait(self, prompt_id: str, seconds: float = 300.0) -> dict[str, Any]:
        """Waits until a prompt has ended, well or badly, and returns its history entry."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if entry := self._ended(prompt_id):
                return entry
            time.sleep(POLL_SECONDS)
        raise HostError(f"prompt {prompt_id} did not end in {seconds:.0f} s\n{self._log_tail()}")

    def run(self, prompt: Mapping[str, Any], seconds: float = 300.0) -> dict[str, Any]:
        """Queues an API-format prompt, waits for its end and returns its history entry.

        Raises:
            Refused: The server refused the prompt.
            NodeFailed: A node raised.
            Interrupted: The prompt was cancelled.
        """
        entry = self.wait(self.queue(prompt), seconds)
        raise_if_failed(entry)
        return entry

    def images(self, entry: Mapping[str, Any]) -> dict[str, list[Image.Image]]:
        """The pictures a finished prompt saved or previewed, by node id."""
        outputs = {node: output["images"] for node, output in entry["outputs"].items() if "images" in output}
        return {node: [self._image(item) for item in items] for node, items in outputs.items()}

    def interrupt(self, prompt_id: str, seconds: float = 60.0) -> dict[str, Any]:
        """Cancels a prompt once it runs, and returns its history entry when it has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if entry := self._ended(prompt_id):
                return entry
            # Asked again and again: the server forgets a request that comes before the first node starts.
            self._request("/interrupt", {"prompt_id": prompt_id}, parse=False)
            time.sleep(POLL_SECONDS)
        raise HostError(f"prompt {prompt_id} did not stop in {seconds:.0f} s\n{self._log_tail()}")

    def running(self) -> list[str]:
        """The ids of the prompts that the server is at work on."""
        return [item[1] for item in self._request("/queue")["queue_running"]]

    def memory(self) -> float:
        """MB of memory that the server takes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]  # Linux writes it

    def log(self) -> str:
        """All that the server has printed."""
        return (self.base / "comfyui.log").read_text(errors="replace")

    def _start(self, port: int) -> subprocess.Popen[bytes]:
        command = [str(host_python(self._install)), "main.py", "--cpu", "--listen", "127.0.0.1", "--port", str(port)]
        command += ["--base-directory", str(self.base), "--database-url", f"sqlite:///{self.base}/user/comfyui.db"]
        command += ["--disable-auto-launch", "--disable-api-nodes", *self._arguments]
        offline = {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
        environment = os.environ | offline | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(SHIM)}
        with (self.base / "comfyui.log").open("wb") as log:
            return subprocess.Popen(
                command,
                cwd=self._install / "ComfyUI",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + self._ready_seconds
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise HostError(f"ComfyUI ended before it was ready\n{self._log_tail()}")
            try:
                self._request("/system_stats")
            except urllib.error.URLError:
                time.sleep(POLL_SECONDS)
            else:
                return
        raise HostError(f"ComfyUI was not ready in {self._ready_seconds:.0f} s\n{self._log_tail()}")

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.base)

    def _ended(self, prompt_id: str) -> dict[str, Any] | None:
        if self._process.poll() is not None:
            raise HostError(f"ComfyUI died\n{self._log_tail()}")
        return self._request(f"/history/{prompt_id}").get(prompt_id)

    def _image(self, item: Mapping[str, str]) -> Image.Image:
        image = Image.open(BytesIO(self._request(f"/view?{urllib.parse.urlencode(item)}", parse=False)))
        image.load()
        return image

    def _request(self, path: str, body: Mapping[str, Any] | None = None, parse: bool = True) -> Any:
        """One request, a POST where there is a body; returns the parsed JSON or else the bytes."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:
            content = answer.read()
        return json.loads(content) if parse else content

    def _log_tail(self) -> str:
        return "\n".join(self.log().splitlines()[-40:])


def raise_if_failed(entry: Mapping[str, Any]) -> None:
    """Raises what ended a prompt early, from its history entry; a finished prompt passes."""
    for event, data in entry["status"]["messages"]:
        if event == "execution_error":
            raise NodeFailed(data["node_type"], data["exception_type"], data["exception_message"].strip())
        if event == "execution_interrupted":
            raise Interrupted(data["node_type"])


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
