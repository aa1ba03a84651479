# SPDX-License-Identifier: Apache-2.0
"""How a model learns: engines, loss, optimizers, checkpoints, and the loop that drives them."""
