"""Run pytest in forks of a process that has imported the libraries: a mutant costs its tests, not their imports.

``python server.py SOCKET``. A request is one line of JSON, ``{"folder": ..., "arguments": [...], "seconds": ...}``; the
answer is pytest's exit code.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socketserver
import sys

import gymnasium  # noqa: F401
import hypothesis  # noqa: F401
import pandas  # noqa: F401
import pydantic  # noqa: F401
import pytest
import sb3_contrib  # noqa: F401
import scipy.stats  # noqa: F401
import stable_baselines3.common.callbacks  # noqa: F401


class Handler(socketserver.StreamRequestHandler):
    """Answers in a fork, which ends by itself when its time is over."""

    def handle(self) -> None:
        request = json.loads(self.rfile.readline())
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(request["seconds"])
        os.chdir(request["folder"])
        sys.path.insert(0, request["folder"])
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        self.wfile.write(b"%d" % pytest.main(request["arguments"]))


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """One fork for each request."""


if __name__ == "__main__":
    # The bytecode of a mutant could be taken for that of the next one.
    sys.dont_write_bytecode = True
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "HYPOTHESIS_PROFILE": "mutants"}
    gc.freeze()  # what is imported lives on; pytest collects garbage in each fork
    Server(sys.argv[1], Handler).serve_forever()
