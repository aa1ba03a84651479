# SPDX-License-Identifier: Apache-2.0
"""What `yuren-chat` can be told: the command line, parsed into one frozen value.

Parsing starts nothing and loads nothing, so that `--help` is there at once. A value that cannot
be is refused here, before a model loads, and so are options that contradict one another. What
can be set in the config file too is kept apart, in `given`, and only where it was typed: the
settings take it from there. `YUREN_WORKER`, for tests and work on front ends, names another
command than the worker's as the model process, split as a shell would.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

import click
from click.core import ParameterSource

from yuren_core import __version__
from yuren_core.errors import UsageError
from yuren_core.i18n import tr, use_language
from yuren_core.language_option import LanguageChoice
from yuren_core.protocol import Device, LoadMode
from yuren_core.sampling_params import SamplingParams
from yuren_tui.spoken_command import SpokenCommand

Task = Literal["talk", "list-chats", "export", "import", "install-starter"]
_Command = TypeVar("_Command", bound=Callable[..., Any])

FORMATS = ("markdown", "json", "training")
"""As `yuren_tui.store.transfer.ExportFormat`, which is not imported for `--help`."""

_DEFAULT = SamplingParams()
_IMAGES = ("auto", "off", "halfblock", "sixel", "kitty")
_SETTINGS = {
    "model": "model.name",
    "load": "model.load",
    "device": "model.device",
    "preset": "model.preset",
    "lang": "interface.language",
    "theme": "interface.theme",
    "images": "interface.images",
    "user": "person.name",
}
_GOES_WITH = {
    "list-chats": {"prompt", "is_json", "lang"},
    "export": {"chat", "continues", "export_format", "lang"},
    "import": {"lang"},
    "install-starter": {"lang"},
}


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """One call of `yuren-chat`.

    Attributes:
        prompt: what to ask; empty for nothing. With "list-chats", what to search for.
        pictures: to attach, as paths.
        system: what the model is told first; None where a preset says it.
        is_plain: no screen.
        is_json: answers as JSON objects.
        chat_id: the chat to go on with; None for another.
        continues: go on with the last chat.
        task: what the call is for.
        file: of an export or import.
        export_format: None for the one of the file's suffix.
        given: settings by `table.key`, those that were typed.
    """

    prompt: str = ""
    pictures: tuple[str, ...] = ()
    system: str | None = None
    is_plain: bool = False
    is_json: bool = False
    chat_id: int | None = None
    continues: bool = False
    task: Task = "talk"
    file: Path | None = None
    export_format: str | None = None
    given: Mapping[str, object] = field(default_factory=dict)

    @property
    def given_sampling(self) -> dict[str, Any]:
        """The sampling that was typed, by the names of `SamplingParams`."""
        table = "sampling."
        return {
            name.removeprefix(table): value
            for name, value in self.given.items()
            if name.startswith(table)
        }


def parse(arguments: Sequence[str] | None = None) -> ChatOptions | int:
    """Read a command line, and speak its language from now on.

    Args:
        arguments: without the program's name; the process's own by default.

    Returns:
        The options; or an exit code where `--help` or `--version` has said all there is.

    Raises:
        click.ClickException: an unknown option or value.
        UsageError: a sampling parameter out of its range, or options that cannot go together.
    """
    parsed = _command.main(arguments, prog_name="yuren-chat", standalone_mode=False)
    return cast("ChatOptions | int", parsed)


def worker_command() -> tuple[str, ...] | None:
    """The model process that `YUREN_WORKER` asks for; None for the usual one."""
    return tuple(shlex.split(os.environ.get("YUREN_WORKER", ""))) or None


def _sampling_options(command: _Command) -> _Command:
    options: Sequence[tuple[str, type]] = (
        ("temperature", float),
        ("top-p", float),
        ("top-k", int),
        ("min-p", float),
        ("repetition-penalty", float),
        ("seed", int),
        ("max-new-tokens", int),
    )
    for name, kind in reversed(options):
        default = getattr(_DEFAULT, name.replace("-", "_"))
        command = click.option(f"--{name}", type=kind, default=default)(command)
    return command


@click.command(
    cls=SpokenCommand,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 96,
        "show_default": True,
    },
)
@click.argument("prompt", nargs=-1)
@click.option("--model", metavar="DIR|HUB_ID")
@click.option("--load", type=click.Choice(get_args(LoadMode)), default="auto")
@click.option("--device", type=click.Choice(get_args(Device)), default="auto")
@click.option("--image", "pictures", metavar="PATH", multiple=True)
@click.option("--system", metavar="TEXT")
@click.option("--preset", metavar="NAME|FILE")
@click.option("--user", metavar="NAME")
@click.option("--continue", "continues", is_flag=True)
@click.option("--chat", metavar="ID", type=int)
@_sampling_options
@click.option("--stop", metavar="TEXT", multiple=True)
@click.option("--plain", "is_plain", is_flag=True)
@click.option("--json", "is_json", is_flag=True)
@click.option("--lang", type=LanguageChoice(), default="auto")
@click.option("--theme", metavar="NAME")
@click.option("--images", type=click.Choice(_IMAGES), default="auto")
@click.option("--list-chats", is_flag=True)
@click.option("--export", metavar="FILE")
@click.option("--format", "export_format", type=click.Choice(FORMATS))
@click.option("--import", "imported", metavar="FILE")
@click.option("--install-starter", is_flag=True)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def _command(
    context: click.Context,
    /,
    prompt: tuple[str, ...],
    pictures: tuple[str, ...],
    system: str | None,
    continues: bool,
    chat: int | None,
    is_plain: bool,
    is_json: bool,
    export: str | None,
    export_format: str | None,
    imported: str | None,
    **values: Any,
) -> ChatOptions:
    """What was typed, as a value; `--help` says it in the words of the catalogue."""
    use_language(values["lang"])
    typed = _typed(context)
    task, file = _task(typed, export, imported)
    given = {name: values[parameter] for parameter, name in _SETTINGS.items() if parameter in typed}
    for name in SamplingParams.__dataclass_fields__:
        if name in typed:
            value = values[name]
            given[f"sampling.{name}"] = tuple(map(_as_text, value)) if name == "stop" else value
    if "person.name" in given:
        given["person.name"] = " ".join(_as_text(values["user"]).replace("\0", "").split())
    options = ChatOptions(
        prompt=_as_text(" ".join(prompt)),
        pictures=pictures,
        system=None if system is None else _as_text(system),
        is_plain=is_plain or is_json,
        is_json=is_json,
        chat_id=chat,
        continues=continues,
        task=task,
        file=file,
        export_format=export_format,
        given=given,
    )
    SamplingParams(**options.given_sampling)
    return options


def _typed(context: click.Context) -> dict[str, str]:
    """The parameters that were typed: their names in the code, and as people know them."""
    return {
        parameter.name: parameter.opts[0] if parameter.opts[0].startswith("-") else "PROMPT"
        for parameter in context.command.params
        if parameter.name is not None
        and context.params.get(parameter.name) not in (None, ())
        and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    }


def _task(
    typed: Mapping[str, str], export: str | None, imported: str | None
) -> tuple[Task, Path | None]:
    """What the call is for, once it is sure that its options can go together.

    Raises:
        UsageError: they cannot.
    """
    tasks: dict[str, Task] = {
        "list_chats": "list-chats",
        "export": "export",
        "imported": "import",
        "install_starter": "install-starter",
    }
    asked = [name for name in tasks if name in typed]
    if {"continues", "chat"} <= typed.keys():
        raise _conflict("--continue", "--chat")
    if "export_format" in typed and "export" not in typed:
        raise UsageError(tr("cli.needs", option="--format", other="--export"))
    if not asked:
        return "talk", None
    task = tasks[asked[0]]
    for name, shown in typed.items():
        if name != asked[0] and name not in _GOES_WITH[task]:
            raise _conflict(f"--{task}", shown)
    file = export if task == "export" else imported
    return task, None if file is None else Path(file).expanduser()


def _conflict(one: str, other: str) -> UsageError:
    return UsageError(tr("cli.conflict", one=one, other=other), tr("cli.conflict_remedy"))


def _as_text(argument: str) -> str:
    """An argument whose bytes were no UTF-8, with U+FFFD for what cannot be read."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
