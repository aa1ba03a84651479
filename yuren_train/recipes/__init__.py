# SPDX-License-Identifier: Apache-2.0
"""One file a stage, each read from top to bottom: load, freeze, data, train, save, prove."""
