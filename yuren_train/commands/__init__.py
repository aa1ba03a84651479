# SPDX-License-Identifier: Apache-2.0
"""The commands of `yuren-train`, one to a module, loaded when they are called."""
