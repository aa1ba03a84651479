# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with a preset, a card or a lorebook; all of them are a person's to mend.

YurenError
├── UsageError
│   └── UnknownPresetError   no preset of that name
└── PresetError              a preset that cannot be read, or holds what cannot be
    └── CardError            a character card or a lorebook file that cannot be read
"""

from __future__ import annotations

from yuren_core.errors import UsageError, YurenError


class UnknownPresetError(UsageError):
    """No preset of that name."""


class PresetError(YurenError):
    """A preset that cannot be read, or holds what cannot be."""


class CardError(PresetError):
    """A character card or a lorebook file that cannot be read."""
