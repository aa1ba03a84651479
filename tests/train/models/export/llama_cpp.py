# SPDX-License-Identifier: Apache-2.0
"""llama.cpp as a peer: its own server in another Python's process, asked by JSON.

It is looked for in an environment of its own, `ENVIRONMENT` below the cache directory.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from yuren_core.paths import cache_dir

ENVIRONMENT = Path("peers") / "llama_cpp"
PACKAGE = "xllamacpp==2026.10.11549"
"""llama.cpp's server as a wheel, so that no compiler is needed."""

_ASK = """
import json, sys
import xllamacpp
model, mmproj, requests = json.load(sys.stdin)
params = xllamacpp.CommonParams()
params.model.path = model
params.mmproj.path = mmproj
params.n_ctx, params.n_parallel, params.n_gpu_layers = 512, 1, 0
params.cpuparams.n_threads = 1
params.warmup = False
server = xllamacpp.Server(params)
asked = {"chat": server.handle_chat_completions, "completion": server.handle_completions}
answers = [asked[kind](request) for kind, request in requests]
print("ANSWERS" + json.dumps(answers), flush=True)
import os; os._exit(0)
"""


def python() -> Path | None:
    """The Python that has llama.cpp; None where there is none."""
    file = cache_dir() / ENVIRONMENT / "bin" / "python"
    return file if file.is_file() else None


def how_to_install() -> str:
    """For the reason of a skip."""
    place = cache_dir() / ENVIRONMENT
    return f"no llama.cpp: python -m venv {place} && {place}/bin/pip install {PACKAGE}"


def ask(directory: Path, files: tuple[str, ...], requests: list[tuple[str, Any]]) -> list[Any]:
    """What llama.cpp's server answers.

    Args:
        directory: of the GGUF files.
        files: the language model, and perhaps an mmproj.
        requests: "chat" or "completion", and what is asked, as llama.cpp's server takes it.
    """
    model, mmproj = (str(directory / files[0]), str(directory / files[1]) if files[1:] else "")
    done = subprocess.run(
        [str(python()), "-c", _ASK],
        input=json.dumps([model, mmproj, requests]),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    _, found, answers = done.stdout.rpartition("ANSWERS")
    assert found, done.stderr[-3000:]
    result: list[Any] = json.loads(answers)
    return result
