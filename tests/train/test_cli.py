# SPDX-License-Identifier: Apache-2.0
"""`yuren-train`: quick help, lazy commands, errors in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from yuren_core import __version__
from yuren_core.errors import StorageError, UsageError
from yuren_train import cli
from yuren_train.cli import LazyCommand, LazyGroup, main
from yuren_train.training.stopping import STOPPED_EXIT_CODE, stopped

HEAVY = {"torch", "transformers", "open_clip", "deepspeed", "bitsandbytes", "textual"}


@click.command()
@click.argument("what")
def sample(what: str) -> None:
    """A command of these tests."""
    match what:
        case "usage":
            raise UsageError("the value is 7", "Give 8.")
        case "storage":
            raise StorageError("the disk is full")
        case "interrupt":
            raise KeyboardInterrupt
        case "stopped":
            raise stopped(3, Path("out/checkpoint-3"))
        case "unforeseen":
            raise RuntimeError("two\nlines")
    click.echo(f"did {what}")


def group() -> LazyGroup:
    commands = {
        "sample": LazyCommand(f"{__name__}:sample", "Do something."),
        "absent": LazyCommand("no_such_module:command", "Never imported."),
    }
    return LazyGroup(name="train", lazy_commands=commands)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["no-such-command"]])
def test_no_heavy_module_is_loaded_in_a_fresh_interpreter(arguments: list[str]) -> None:
    code = (
        "import atexit, sys; atexit.register(lambda: print('LOADED', *sys.modules));"
        f"sys.argv = ['yuren-train', *{arguments}];"
        "from yuren_train.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said, _, loaded = done.stdout.partition("LOADED")
    assert "yuren_train.cli" in loaded.split()
    assert not HEAVY & {name.split(".")[0] for name in loaded.split()}
    assert done.returncode == (2 if arguments == ["no-such-command"] else 0)
    assert "Traceback" not in said + done.stderr


def test_the_installed_command_prints_its_help() -> None:
    command = Path(sys.executable).with_name("yuren-train")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: yuren-train")
    assert "stage1" in done.stdout
    assert "local_rank" not in done.stdout


def test_the_version_is_the_package_s() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"yuren-train, version {__version__}\n"


def test_help_lists_commands_without_importing_them() -> None:
    result = CliRunner().invoke(group(), ["--help"])
    assert result.exit_code == 0
    assert "Never imported." in result.output
    assert result.output.index("sample") < result.output.index("absent")


def test_every_command_of_the_group_can_be_imported() -> None:
    for name, lazy in cli.COMMANDS.items():
        command = lazy.load()
        assert isinstance(command, click.Command), name


def test_a_lazy_command_runs() -> None:
    result = CliRunner().invoke(group(), ["sample", "work"])
    assert (result.exit_code, result.output) == (0, "did work\n")


@pytest.mark.parametrize(
    ("what", "code", "shown"),
    [
        ("usage", 2, "Error: the value is 7\nGive 8.\n"),
        ("storage", 1, "Error: the disk is full\n"),
    ],
)
def test_errors_are_words_on_stderr_and_an_exit_code(what: str, code: int, shown: str) -> None:
    result = CliRunner().invoke(group(), ["sample", what])
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", shown)


@pytest.mark.parametrize(
    ("arguments", "locale"),
    [
        (["--lang", "zh", "sample", "usage"], "C.UTF-8"),
        (["sample", "usage", "--lang", "zh"], "C.UTF-8"),
        (["--lang", "en", "sample", "--lang", "zh", "usage"], "C.UTF-8"),
        (["sample", "usage"], "zh_CN.UTF-8"),
    ],
)
def test_errors_are_said_in_the_language_asked_for_or_the_locale_s(
    arguments: list[str], locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", locale)
    monkeypatch.setattr(main, "lazy_commands", group().lazy_commands)
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stderr) == (2, "错误：the value is 7\nGive 8.\n")


def test_a_bad_key_is_told_before_torch_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("learning_rate: 1\n")
    code = (
        "import atexit, sys; atexit.register(lambda: print('LOADED', *sys.modules));"
        f"sys.argv = ['yuren-train', 'stage1', '--config', {str(file)!r}];"
        "from yuren_train.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "did you mean lr?" in done.stderr
    assert "Loading" not in done.stderr
    assert "torch" not in done.stdout.split()


def test_an_unforeseen_error_is_one_line_and_its_trace_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("YUREN_HOME", str(tmp_path))
    result = CliRunner().invoke(group(), ["sample", "unforeseen"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "RuntimeError: two lines" in result.stderr
    log = tmp_path / "log" / "train.log"
    assert str(log) in result.stderr
    assert "Traceback" in log.read_text()


@pytest.mark.parametrize(("rank", "says"), [("0", True), ("1", False)])
def test_one_of_many_processes_says_that_the_run_has_stopped(
    rank: str, says: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", rank)
    result = CliRunner().invoke(group(), ["sample", "stopped"])
    assert result.exit_code == STOPPED_EXIT_CODE
    assert ("stopped after step 3" in result.stderr) == says


@pytest.mark.parametrize(("what", "shown"), [("usage", "the value is 7"), ("unforeseen", "two")])
def test_of_many_processes_the_first_that_fails_says_why(
    what: str, shown: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("YUREN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORLD_SIZE", "3")
    said = []
    for rank in ("1", "0", "2"):
        place = tmp_path / "attempt_0" / rank
        place.mkdir(parents=True)
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(place / "error.json"))
        said.append(CliRunner().invoke(group(), ["sample", what]))
    assert shown in said[0].stderr
    assert [result.stderr for result in said[1:]] == ["", ""]
    assert {result.exit_code for result in said} == {2 if what == "usage" else 1}


def test_the_argument_that_deepspeeds_launcher_adds_is_taken() -> None:
    arguments = ["--local_rank=0", "--lang", "en", "runs", "nowhere"]
    result = CliRunner().invoke(main, arguments)
    assert "There is no directory nowhere" in result.stderr


def test_an_interrupt_ends_without_a_trace() -> None:
    result = CliRunner().invoke(group(), ["sample", "interrupt"])
    assert result.exit_code == 1
    assert "Traceback" not in result.output
