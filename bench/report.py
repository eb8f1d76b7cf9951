# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures: samples under names, their medians and spread, as lines and as JSON."""

import json
import statistics
import sys
import time


class Report:
    def __init__(self):
        self._samples = {}
        self._units = {}
        self._printed = set()
        self.notes = []
        self._start = time.monotonic()

    def add(self, name, value, unit):
        self._samples.setdefault(name, []).append(value)
        self._units[name] = unit

    def note(self, text):
        """Something that a reader must know about the figures."""
        self.notes.append(text)
        print(f"# {text}", flush=True)

    def progress(self, text):
        print(f"bench: {time.monotonic() - self._start:5.0f} s: {text}", file=sys.stderr, flush=True)

    def has(self, *names):
        return all(name in self._samples for name in names)

    def median(self, name):
        return statistics.median(self._samples[name])

    def ratio(self, name, above, below, unit="x", scale=1.0):
        """The median of the rounds' ratios: what changes between rounds touches both."""
        if self.has(above, below):
            for a, b in zip(self._samples[above], self._samples[below]):
                if b:
                    self.add(name, a / b * scale, unit)

    def difference(self, name, above, below):
        if self.has(above, below):
            for a, b in zip(self._samples[above], self._samples[below]):
                self.add(name, a - b, self._units[above])

    def print_new(self):
        """One line for each figure that has come since the last time."""
        for name in self._samples:
            if name not in self._printed:
                self._printed.add(name)
                print(f"{name} {self.median(name):.6g} {self._units[name]}", flush=True)

    def write(self, path, about):
        figures = {name: {"unit": self._units[name], "median": self.median(name),
                          "min": min(samples), "max": max(samples), "samples": samples}
                   for name, samples in self._samples.items()}
        document = {**about, "notes": self.notes, "figures": figures}
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
