# SPDX-License-Identifier: Apache-2.0
"""The code blocks of a message, as Markdown sees them. No textual."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One block: its language as written, empty where it has none, and the code."""

    language: str
    code: str


def code_blocks(text: str) -> list[CodeBlock]:
    """The fenced and indented blocks of a Markdown text, in order, in lists and quotes too."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark", {"html": False}).parse(text)
    return [
        CodeBlock(token.info.split()[0] if token.info.split() else "", token.content.rstrip("\n"))
        for token in tokens
        if token.type in ("fence", "code_block") and token.content.strip()
    ]
