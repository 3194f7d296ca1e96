"""Labels of exported ensembles by onnxruntime-web, in a browser that this process opens and serves.

The page asks for a file and samples over the loopback interface, sends the labels back, and loads itself again, which
frees the memory of its WebAssembly.
"""

import json
import queue
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np

WEB = Path(__file__).parents[1] / "docs" / "demo" / "node_modules" / "onnxruntime-web"
# No window, and no sandbox: root has none, and the page is our own.
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage")
PAGE = """\
<!doctype html>
<meta charset="utf-8">
<title>Labels of an exported ensemble</title>
<link rel="icon" href="data:,">
<script type="module">
  const send = (answer) => fetch("answer", { method: "POST", body: JSON.stringify(answer) });
  try {
    const ort = await import("./dist/ort.wasm.bundle.min.mjs");
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmPaths = new URL("dist/", location).href;
    const { type, shape, batches } = await (await fetch("work")).json();
    const numbers = type === "float32" ? Float32Array : Uint8Array;
    const samples = new numbers(await (await fetch("samples")).arrayBuffer());
    const session = await ort.InferenceSession.create(new URL("file", location).href);
    const width = shape.reduce((product, n) => product * n);
    const labels = [];
    for (const [start, end] of batches) {
      const part = samples.subarray(start * width, end * width);
      const input = new ort.Tensor(type, part, [end - start, ...shape]);
      const { label } = await session.run({ input }, ["label"]);
      labels.push(...Array.from(label.data, Number));
    }
    await send({ labels });
  } catch (error) {
    await send({ error: `${error}` });
  }
  location.reload();
</script>
"""


@dataclass(frozen=True)
class Work:
    """One exported file, samples, uint8 or float32 (n, ...), and the start and end of each batch of them."""

    content: bytes
    samples: np.ndarray
    batches: Sequence[tuple[int, int]]

    def about(self) -> bytes:
        """What the page has to know."""
        return json.dumps(
            {"type": self.samples.dtype.name, "shape": self.samples.shape[1:], "batches": self.batches}
        ).encode()


class Desk(ThreadingHTTPServer):
    """Work that waits for the page, what it works on now, and its answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Clerk)
        self.work: queue.Queue[Work] = queue.Queue()
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.now: Work


class Clerk(BaseHTTPRequestHandler):
    """Hands the page what it asks for."""

    server: Desk

    def do_GET(self) -> None:
        """Send the page, its script, or what it works on."""
        name = self.path.lstrip("/")
        if name == "work":
            self.server.now = self.server.work.get()
            self._send(self.server.now.about(), "application/json")
        elif name == "file":
            self._send(self.server.now.content, "application/octet-stream")
        elif name == "samples":
            self._send(self.server.now.samples.tobytes(), "application/octet-stream")
        elif name.startswith("dist/"):
            kind = "application/wasm" if name.endswith(".wasm") else "text/javascript"
            self._send((WEB / "dist" / Path(name).name).read_bytes(), kind)
        else:
            self._send(PAGE.encode(), "text/html")

    def do_POST(self) -> None:
        """Take the labels, or an error."""
        self.server.answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._send(b"", "text/plain")

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Browser:
    """A browser without a window, to be used in a ``with`` statement.

    Parameters
    ----------
    command : str
        Such as ``chromium``.

    Attributes
    ----------
    runtime : str
        Name and version of the runtime and of the browser.
    """

    def __init__(self, command: str) -> None:
        if not WEB.is_dir():
            raise SystemExit("onnxruntime-web is not installed: npm install --prefix docs/demo")
        if not shutil.which(command):
            raise SystemExit(f"there is no browser '{command}' here")
        version = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["version"]
        said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
        self.runtime = f"onnxruntime-web {version} in {' '.join(said.split()[:2])}"
        self._desk, self._profile = Desk(), TemporaryDirectory(ignore_cleanup_errors=True)
        threading.Thread(target=self._desk.serve_forever, daemon=True).start()
        page = f"http://127.0.0.1:{self._desk.server_port}/"
        self._process = subprocess.Popen(
            [command, *FLAGS, f"--user-data-dir={self._profile.name}", page],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def labels(self, content: bytes, samples: np.ndarray, batches: Sequence[tuple[int, int]]) -> np.ndarray:
        """Labels of all batches, one after another."""
        self._desk.work.put(Work(content, samples, batches))
        while True:
            try:
                answer = self._desk.answers.get(timeout=1)
                break
            except queue.Empty:
                if self._process.poll() is not None:
                    raise SystemExit(f"the browser ended with status {self._process.returncode}") from None
        if "error" in answer:
            raise SystemExit(f"the page failed: {answer['error']}")
        return np.array(answer["labels"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._desk.shutdown()
        self._desk.server_close()
        self._profile.cleanup()
