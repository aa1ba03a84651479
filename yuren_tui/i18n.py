# SPDX-License-Identifier: Apache-2.0
"""Moved to `yuren_core.i18n`; this name goes away as soon as nobody imports it."""

from yuren_core.i18n import (
    LANGUAGES as LANGUAGES,
)
from yuren_core.i18n import (
    catalogue as catalogue,
)
from yuren_core.i18n import (
    language_of_locale as language_of_locale,
)
from yuren_core.i18n import (
    tr as tr,
)
from yuren_core.i18n import (
    use_language as use_language,
)
