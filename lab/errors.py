# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception whose text is meant for the person at the keyboard."""


class LabError(Exception):
    pass
