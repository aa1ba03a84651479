# SPDX-License-Identifier: Apache-2.0
"""Settings: one TOML file with comments, `config.toml` in the config directory.

`load_settings` reads it (command line over environment over file over defaults) and names every
fault; `save_settings` writes changes into it and leaves the rest as the person wrote it. Nothing
here imports textual or pydantic: settings are wanted before the first frame.
"""

from yuren_tui.settings.faults import Fault, SettingsError
from yuren_tui.settings.reading import (
    LoadedSettings,
    Origin,
    binding_ids,
    checked_keys,
    load_settings,
    settings_path,
)
from yuren_tui.settings.schema import ENTRIES, TABLES, Entry, changes, value_of, with_value
from yuren_tui.settings.values import Images, Interface, Keys, Model, Person, Settings
from yuren_tui.settings.writing import save_settings, template

__all__ = [
    "ENTRIES",
    "TABLES",
    "Entry",
    "Fault",
    "Images",
    "Interface",
    "Keys",
    "LoadedSettings",
    "Model",
    "Origin",
    "Person",
    "Settings",
    "SettingsError",
    "binding_ids",
    "changes",
    "checked_keys",
    "load_settings",
    "save_settings",
    "settings_path",
    "template",
    "value_of",
    "with_value",
]
