# SPDX-License-Identifier: Apache-2.0
"""How long torch's threads spin for each other before they sleep; set before torch is imported.

GNU OpenMP's default spins for milliseconds at each barrier: where the screen or anything else takes
a core, decoding and training come to a standstill (docs/LOG.md).
"""

from __future__ import annotations

SPIN_VARIABLE = "GOMP_SPINCOUNT"
SPIN_COUNT = "3000"
