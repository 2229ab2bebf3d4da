"""Watches programs from outside: a GPU's memory and activity by NVML, and the host memory of a
process with all its descendants. Needs nothing but Python."""

import ctypes
import os
import threading
import time


class Gpu:
    """A card by NVML, numbered as nvidia-smi does. Not there: `found` is false."""

    class _Memory(ctypes.Structure):
        _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong),
                    ("used", ctypes.c_ulonglong)]

    class _Utilization(ctypes.Structure):
        _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]

    def __init__(self, index=0):
        self._handle = ctypes.c_void_p()
        try:
            self._nvml = ctypes.CDLL("libnvidia-ml.so.1")
            self.found = (self._nvml.nvmlInit_v2() == 0 and self._nvml.nvmlDeviceGetHandleByIndex_v2(
                index, ctypes.byref(self._handle)) == 0)
        except OSError:
            self.found = False

    def memory_used(self):
        """Bytes, by all programs; None where it is not known."""
        memory = self._Memory()
        if self.found and self._nvml.nvmlDeviceGetMemoryInfo(self._handle, ctypes.byref(memory)) == 0:
            return memory.used
        return None

    def active(self):
        """Share of the last sixth of a second to second in which a kernel ran, or None."""
        rates = self._Utilization()
        if self.found and self._nvml.nvmlDeviceGetUtilizationRates(
                self._handle, ctypes.byref(rates)) == 0:
            return rates.gpu / 100
        return None

    def text(self):
        if not self.found:
            return "no GPU"
        name, driver = ctypes.create_string_buffer(96), ctypes.create_string_buffer(96)
        self._nvml.nvmlDeviceGetName(self._handle, name, 96)
        self._nvml.nvmlSystemGetDriverVersion(driver, 96)
        return f"{name.value.decode()}, driver {driver.value.decode()}"


def _parents():
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    parents[int(entry)] = int(file.read().rsplit(b")", 1)[1].split()[1])
            except OSError:
                pass  # It has ended.
    return parents


def _proportional_bytes(pid):
    """Memory of a process, what it shares with n others counted as its nth part."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def tree_bytes(root):
    """Memory of a process and all its descendants."""
    parents = _parents()
    total = 0
    for pid in parents:
        ancestor = pid
        while ancestor not in (root, 0) and ancestor in parents:
            ancestor = parents[ancestor]
        if ancestor == root:
            total += _proportional_bytes(pid)
    return total


class Watch:
    """Samples in the background, from `with` on: the card five times a second, the host's memory
    twice."""

    def __init__(self, pid, gpu=None):
        self._pid = pid
        self._gpu = gpu or Gpu()
        self._card = []  # (time.monotonic(), bytes, active share)
        self.host_peak = 0  # bytes
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(self._see_card, 0.2)),
                         threading.Thread(target=self._repeat, args=(self._see_host, 0.5))]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        for thread in self._threads:
            thread.join()

    def card_peak(self):
        """Bytes in use on the card, by all programs; None where it is not known."""
        return max((used for _, used, _ in self._card if used is not None), default=None)

    def active_share(self, began, ended):
        """Mean over a stretch of time.monotonic(); None where it is not known."""
        shares = [active for at, _, active in self._card
                  if active is not None and began + 0.5 <= at <= ended]
        return sum(shares) / len(shares) if shares else None

    def _repeat(self, look, every):
        while True:
            look()
            if self._end.wait(every):
                return

    def _see_card(self):
        if self._gpu.found:
            self._card.append((time.monotonic(), self._gpu.memory_used(), self._gpu.active()))

    def _see_host(self):
        self.host_peak = max(self.host_peak, tree_bytes(self._pid))
