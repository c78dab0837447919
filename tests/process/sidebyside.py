"""Samples that wait in real time, all at once: a table of functions, each on a thread of its own."""

import threading
import time
import traceback


class Sample:
    """Outcome of one function: its value, or the traceback of its exception."""

    def __init__(self, name, run):
        self.name = name
        self._value = None
        self._error = None
        self._thread = threading.Thread(target=self._work, args=(run,), name=name, daemon=True)

    def _work(self, run):
        try:
            self._value = run()
        except BaseException:  # all of it is reported by value()
            self._error = traceback.format_exc()

    def start(self):
        self._thread.start()

    def value(self, until):
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            raise AssertionError(f"sample {self.name} has not come to an end in time")
        if self._error is not None:
            raise AssertionError(f"sample {self.name} failed:\n{self._error}")
        return self._value


def run_all(table, within):
    """Starts every `name: function` of the table at once. Returns name -> Sample, whose value(until) has the result.
    Returns when all have ended or `within` seconds have passed."""
    samples = {name: Sample(name, run) for name, run in table.items()}
    until = time.monotonic() + within
    for sample in samples.values():
        sample.start()
    for sample in samples.values():
        sample._thread.join(max(0.0, until - time.monotonic()))
    return samples
