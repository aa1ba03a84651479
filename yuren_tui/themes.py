# SPDX-License-Identifier: Apache-2.0
"""The chat's own two themes. The only place where a colour has a number."""

from __future__ import annotations

from textual.theme import Theme

DARK = "yuren-dark"
LIGHT = "yuren-light"

THEMES = (
    Theme(
        name=DARK,
        primary="#86aecb",
        secondary="#9dbf9e",
        accent="#d9b27c",
        warning="#d9b27c",
        error="#d98080",
        success="#9dbf9e",
        foreground="#d5d8de",
        background="#15171c",
        surface="#1c1f26",
        panel="#262a33",
        dark=True,
        variables={
            "border": "#4b5563",
            "border-blurred": "#333945",
            "block-cursor-text-style": "none",
            "input-selection-background": "#86aecb 30%",
            "footer-background": "#15171c",
            "footer-item-background": "#15171c",
            "footer-description-background": "#15171c",
            "footer-description-foreground": "#8a919e",
            "footer-key-background": "#15171c",
            "footer-key-foreground": "#86aecb",
            "markdown-h1-color": "#86aecb",
            "markdown-h2-color": "#86aecb",
            "markdown-h3-color": "#d5d8de",
            "markdown-h2-text-style": "bold",
        },
    ),
    Theme(
        name=LIGHT,
        primary="#2f6690",
        secondary="#3d7a55",
        accent="#9a5b13",
        warning="#9a5b13",
        error="#b03a3a",
        success="#3d7a55",
        foreground="#2a2d33",
        background="#faf9f6",
        surface="#f1efe9",
        panel="#e5e2d9",
        dark=False,
        variables={
            "border": "#b3ad9e",
            "border-blurred": "#d8d4c8",
            "block-cursor-text-style": "none",
            "input-selection-background": "#2f6690 25%",
            "footer-background": "#faf9f6",
            "footer-item-background": "#faf9f6",
            "footer-description-background": "#faf9f6",
            "footer-description-foreground": "#6c6f76",
            "footer-key-background": "#faf9f6",
            "footer-key-foreground": "#2f6690",
            "markdown-h1-color": "#2f6690",
            "markdown-h2-color": "#2f6690",
            "markdown-h3-color": "#2a2d33",
            "markdown-h2-text-style": "bold",
        },
    ),
)
