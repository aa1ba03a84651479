# SPDX-License-Identifier: Apache-2.0
"""The command `yuren-train`: a group whose commands are imported when they are called.

So `--help` answers at once: a command's name and one line of help stand in `COMMANDS`, its
module, which may import torch, is loaded only to run it or to show its own help.

The border of the trainer: a `YurenError` is told in words on stderr and has its exit code,
anything unforeseen goes to `train.log` and is named in one line.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from yuren_core import __version__
from yuren_core.errors import YurenError
from yuren_core.i18n import tr, use_language
from yuren_core.language_option import LanguageChoice
from yuren_core.spinning import SPIN_COUNT, SPIN_VARIABLE
from yuren_train.training.launching import is_first, tells_failure
from yuren_train.training.stopping import StoppedError
from yuren_train.training.train_log import library_warnings_logged, log_fault

_REASON = 300  # characters of an unforeseen error


_LANG, _LANG_HELP = "lang", "The language of all that is said; auto is your locale's."


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command lives, as "module:attribute", and its line in the group's help."""

    target: str
    help: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


COMMANDS: Mapping[str, LazyCommand] = {
    "prepare-base": LazyCommand(
        "yuren_train.commands.prepare_base:prepare_base",
        "Give a LLaMA the control tokens, a pad token and perhaps a vision tower.",
    ),
    "convert": LazyCommand(
        "yuren_train.commands.convert:convert", "Write a published model in our layout, once."
    ),
    "check": LazyCommand(
        "yuren_train.commands.check:check", "Say what is in data files, and what is wrong."
    ),
    "sample-data": LazyCommand(
        "yuren_train.commands.sample_data:sample_data",
        "Make a small set of pictures and text to try all stages on.",
    ),
    "stage1": LazyCommand(
        "yuren_train.commands.stage1:stage1", "Teach a language model to answer, from text."
    ),
    "stage2": LazyCommand(
        "yuren_train.commands.stage2:stage2", "Teach the projector alone, from pictures."
    ),
    "stage3": LazyCommand(
        "yuren_train.commands.stage3:stage3",
        "Teach projector and language model, from pictures and text.",
    ),
    "merge": LazyCommand(
        "yuren_train.commands.merge:merge", "Make one model of an adapter and its base."
    ),
    "export": LazyCommand(
        "yuren_train.commands.export:export", "Write a model in the form that other engines load."
    ),
    "estimate": LazyCommand(
        "yuren_train.commands.estimate:estimate", "Say how much memory a run would take."
    ),
    "runs": LazyCommand("yuren_train.commands.runs:runs", "List runs, and how they stand."),
    "plot": LazyCommand("yuren_train.commands.plot:plot", "Draw the curves of runs."),
}
"""Every command of `yuren-train`, in the order in which one uses them."""


class LazyGroup(click.Group):
    """A group that imports its commands when they are called, and shows errors, not traces.

    Args:
        lazy_commands: the commands by name.
    """

    def __init__(self, *args: Any, lazy_commands: Mapping[str, LazyCommand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy_commands = lazy_commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of use."""
        return [*self.lazy_commands, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, with `--lang` as the group has it; imports it."""
        lazy = self.lazy_commands.get(cmd_name)
        if lazy is None:
            return super().get_command(ctx, cmd_name)
        command = lazy.load()
        if all(parameter.name != _LANG for parameter in command.params):
            command.params.append(_language_option())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help, from `lazy_commands`; imports none."""
        rows = [(name, lazy.help) for name, lazy in self.lazy_commands.items()]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error is told on stderr and sets the exit code."""
        os.environ.setdefault(SPIN_VARIABLE, SPIN_COUNT)
        # It asks for a kernel from the hub for 4-bit products on a CPU, and has one of its own.
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
        try:
            with library_warnings_logged():
                return super().invoke(ctx)
        except YurenError as error:
            if is_first() if isinstance(error, StoppedError) else tells_failure():
                click.echo(tr("cli.error", message=error), err=True)
            raise click.exceptions.Exit(error.exit_code) from error
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:_REASON]}"
            path = log_fault(error)
            if tells_failure():
                click.echo(tr("cli.unforeseen", reason=reason, path=path), err=True)
            raise click.exceptions.Exit(1) from error


def _speak(_: click.Context, __: click.Parameter, language: str | None) -> None:
    if language is not None:  # behind a command it says nothing unless it is typed
        use_language(language)


def _language_option() -> click.Option:
    return click.Option(
        ["--lang", _LANG],
        type=LanguageChoice(),
        callback=_speak,
        is_eager=True,
        expose_value=False,
        help=_LANG_HELP,
    )


@click.group(
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--lang",
    type=LanguageChoice(),
    default="auto",
    callback=_speak,
    is_eager=True,
    expose_value=False,
    help=_LANG_HELP,
)
@click.option("--local_rank", hidden=True, expose_value=False, help="DeepSpeed's launcher adds it.")
@click.version_option(__version__, prog_name="yuren-train")
def main() -> None:
    """Make a multimodal LLaMA: text, then the projector, then everything.

    `yuren-train stage1 --qlora` with nothing else trains the starter model on the bundled
    conversations.
    """
