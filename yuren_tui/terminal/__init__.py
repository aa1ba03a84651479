# SPDX-License-Identifier: Apache-2.0
"""What terminals do differently: input methods, the cursor, motion and colours, pictures.

`environment.prepare` comes before textual is imported; `commits.install` before the app runs.
"""
