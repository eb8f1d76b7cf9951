# SPDX-License-Identifier: GPL-3.0-or-later
"""What a link can be told, as people write it (delay=20ms) and as lab-wan reads it (delay_us=20000)."""

import re

from errors import LabError

_TIME = {"us": 1, "ms": 1000, "s": 1000000}
_RATE = {"bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9}
_SHARE = {"%": 10000}
_COUNT = {"/s": 1}

# written name: (lab-wan's name, units)
_KINDS = {
    "delay": ("delay_us", _TIME),
    "jitter": ("jitter_us", _TIME),
    "queue": ("queue_us", _TIME),
    "rate": ("rate_bps", _RATE),
    "loss": ("loss_ppm", _SHARE),
    "reorder": ("reorder_ppm", _SHARE),
    "flip": ("flip_ppm", _SHARE),
    "truncate": ("truncate_ppm", _SHARE),
    "dup": ("dup_ppm", _SHARE),
    "replay": ("replay_ppm", _SHARE),
    "swap": ("swap_ppm", _SHARE),
    "inject": ("inject_per_s", _COUNT),
}
_WRITTEN = {name: (written, units) for written, (name, units) in _KINDS.items()}
DEFAULT_QUEUE_US = 100000
MAXIMUM = {"delay_us": 10**8, "jitter_us": 10**8, "queue_us": 10**8, "rate_bps": 10**12,
           "inject_per_s": 10**5}


def _parse_one(word):
    written, _, text = word.partition("=")
    if written not in _KINDS:
        raise LabError(f"{word}: a setting is one of {' '.join(f'{key}=' for key in _KINDS)}")
    name, units = _KINDS[written]
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z%/]*)", text)
    if not match or (match[2] not in units and float(match[1]) != 0):
        raise LabError(f"{word}: a number with one of {' '.join(units)}, such as "
                       f"{written}=10{list(units)[-1]}")
    value = round(float(match[1]) * units.get(match[2], 1))
    if value > MAXIMUM.get(name, 10**6):
        raise LabError(f"{word}: too much")
    return name, value


def parse(words):
    """["delay=20ms", "loss=1%"] -> {"delay_us": 20000, "loss_ppm": 10000}"""
    return dict(_parse_one(word) for word in words)


def complete(values):
    """Adds the queue that a rate needs."""
    if values.get("rate_bps") and "queue_us" not in values:
        return {**values, "queue_us": DEFAULT_QUEUE_US}
    return values


def text(values):
    """The reverse of parse, with the largest fitting units."""
    words = []
    for name, value in values.items():
        written, units = _WRITTEN[name]
        unit = max((u for u in units if value >= units[u]), key=units.get, default=list(units)[0])
        words.append(f"{written}={value / units[unit]:.6g}{unit}")
    return " ".join(words)
