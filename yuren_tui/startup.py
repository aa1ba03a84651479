# SPDX-License-Identifier: Apache-2.0
"""From options to a session and a model: what screen and plain lines both begin with."""

from __future__ import annotations

from pathlib import Path

from yuren_core.client import WORKER_COMMAND, ModelClient
from yuren_tui.options import ChatOptions, worker_command
from yuren_tui.session import ModelChoice, Session


def make_session(options: ChatOptions) -> Session:
    """A session with nothing said yet, whose model process is not started."""
    client = ModelClient(worker_command() or WORKER_COMMAND)
    return Session(client, system_prompt=options.system, sampling=options.sampling)


def choose_model(options: ChatOptions) -> ModelChoice | None:
    """The model asked for, else the starter; None where neither is there."""
    model = options.model
    if model is None:
        from yuren_core.starter import is_installed, starter_dir

        if not is_installed():
            return None
        model = str(starter_dir())
    elif model.startswith("~"):
        model = str(Path(model).expanduser())
    return ModelChoice(model, options.load, options.device)
