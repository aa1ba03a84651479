# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the contracts of pyproject.toml hold, and each of them can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("yuren_core", "yuren_tui", "yuren_train")
CONTRACTS = [
    contract["id"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
]

FORBIDDEN = {
    "packages": [
        ("yuren_core/paths.py", "import yuren_tui.session"),
        ("yuren_core/model/checkpoint.py", "import yuren_train.cli"),
        ("yuren_train/cli.py", "import yuren_tui.session"),
        ("yuren_tui/session.py", "import yuren_train.cli"),
    ],
    "core-layers": [("yuren_core/model/loading.py", "import yuren_core.inference.engine")],
    "core-root": [
        ("yuren_core/chatml.py", "import yuren_core.model.tokenization"),
        ("yuren_core/client.py", "from yuren_core.inference import worker"),
        ("yuren_core/quite_new.py", "from yuren_core.model.loading import load"),
    ],
    "core-root-light": [
        ("yuren_core/starter.py", "import torch"),
        ("yuren_core/quite_new.py", "from transformers import AutoTokenizer"),
        ("yuren_core/__init__.py", "import open_clip"),
        ("yuren_core/model/__init__.py", "import torch"),
    ],
    "tui-is-light": [
        ("yuren_tui/session.py", "import yuren_core.model.loading"),
        ("yuren_tui/quite_new.py", "import yuren_core.inference.engine"),
        ("yuren_tui/cli.py", "import torch.nn"),
    ],
    "textual": [
        ("yuren_core/images.py", "import textual"),
        ("yuren_train/cli.py", "from textual.app import App"),
    ],
    "session-without-screen": [("yuren_tui/session.py", "from textual.app import App")],
    "tui-layers": [
        ("yuren_tui/widgets/quite_new.py", "import yuren_tui.app"),
        ("yuren_tui/widgets/quite_new.py", "import yuren_tui.session"),
        ("yuren_tui/session.py", "import yuren_tui.screens"),
        ("yuren_tui/screens/quite_new.py", "import yuren_tui.app"),
    ],
    "tui-widgets": [("yuren_tui/widgets/quite_new.py", "import yuren_tui.store")],
    "train-layers": [
        ("yuren_train/config.py", "import yuren_train.data"),
        ("yuren_train/models/merge.py", "import yuren_train.recipes"),
    ],
    "train-models": [("yuren_train/models/merge.py", "import yuren_train.config")],
    "train-inference": [("yuren_train/cli.py", "import yuren_core.inference.worker")],
}
"""For each contract, what it must refuse: the file, and the import written into it."""


def lint(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [command, "--no-logo", "--no-cache", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


def make_module(file: Path) -> None:
    if (package := file.with_suffix("")).is_dir():
        (package / "__init__.py").touch()
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    (file.parent / "__init__.py").touch()
    file.touch()


def test_the_contracts_hold() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_contract_has_its_proof() -> None:
    assert sorted(FORBIDDEN) == sorted(CONTRACTS)


@pytest.mark.parametrize(
    ("contract", "file", "line"),
    [(contract, *case) for contract, cases in FORBIDDEN.items() for case in cases],
)
def test_a_forbidden_import_breaks_its_contract(
    contract: str, file: str, line: str, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    # Rooms that are not built yet are made, so that their contracts are proven already.
    make_module(tmp_path / file)
    if line.split()[1].startswith("yuren_"):
        make_module(tmp_path.joinpath(*line.split()[1].split(".")).with_suffix(".py"))
    with (tmp_path / file).open("a") as module:
        module.write(f"\n{line}\n")

    done = lint(tmp_path, "--contract", contract)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "0 kept, 1 broken" in done.stdout
