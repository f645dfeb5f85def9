"""A stand-in for the Hugging Face Hub: takes a commit, and gives its files back."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0" * 40


@dataclass
class Hub:
    """What it was told.

    :param address: for HF_ENDPOINT
    :param files: path to content, of all repositories
    :param created: bodies of the requests that make a repository
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, path: str, body: bytes) -> dict[str, Any]:
        """Answer a POST of huggingface_hub."""
        if path == "/api/repos/create":
            self.created.append(json.loads(body))
            return {"url": f"{self.address}/{self.created[-1].get('organization', 'me')}/{self.created[-1]['name']}"}
        if "/preupload/" in path:
            paths = [file["path"] for file in json.loads(body)["files"]]
            return {"files": [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in paths]}
        if "/commit/" in path:
            lines = [json.loads(line) for line in body.splitlines()]
            new = {line["value"]["path"]: line["value"]["content"] for line in lines if line["key"] == "file"}
            self.files |= {name: base64.b64decode(content) for name, content in new.items()}
            return {"success": True, "commitOid": COMMIT, "commitUrl": f"{self.address}/me/model/commit/{COMMIT}"}
        return {"warnings": [], "errors": []}  # of the card's metadata


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send(200, json.dumps(hub.answer(self.path.partition("?")[0], body)).encode())

        def do_GET(self) -> None:
            content = hub.files.get(self.path.partition("/resolve/main/")[2])
            self.send(404 if content is None else 200, content or b"", missing=content is None)

        do_HEAD = do_GET

        def send(self, code: int, content: bytes, missing: bool = False) -> None:
            self.send_response(code)
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{sha1(content).hexdigest()}"'}
            for name, value in (headers | ({"X-Error-Code": "EntryNotFound"} if missing else {})).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@contextlib.contextmanager
def serving() -> Iterator[Hub]:
    """Serve on a free port of this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()
