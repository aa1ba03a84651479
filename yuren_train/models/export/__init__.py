# SPDX-License-Identifier: Apache-2.0
"""Our model directories in the forms that other engines load, each proved by such a loader.

An export is a whole directory or none. It has its final name only after a loader of the other
side has read it and its logits were compared with ours.
"""
