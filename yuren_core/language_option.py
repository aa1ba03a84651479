# SPDX-License-Identifier: Apache-2.0
"""`--lang` of both commands: a language, also as a locale names it (`zh-CN`, `en_US.UTF-8`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from yuren_core.i18n import LANGUAGES, language_of

if TYPE_CHECKING:
    _Choice = click.Choice[str]
else:
    _Choice = click.Choice  # generic since click 8.2


class LanguageChoice(_Choice):
    """One of `LANGUAGES`, or "auto"."""

    def __init__(self) -> None:
        super().__init__(("auto", *LANGUAGES))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return super().convert(language_of(str(value)), param, ctx)
