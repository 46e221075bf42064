# SPDX-License-Identifier: Apache-2.0
"""Runtimes, requests and kernels. One runtime serves every device, stream and thread of a process."""
import ctypes
import threading
from ctypes import byref, c_char_p, c_int32, c_uint64, c_void_p

from . import _abi
from ._abi import call, library

POLICIES = {"block": 0, "fallback": 1, "strict": 2}
LATE_COMPILES = {"allow": 0, "count": 1, "warn": 2, "error": 3}


def make_request(family, params):
    """A request from names and values as in manifests; None leaves a parameter open."""
    request = _abi.Request()
    call("sinter_request_init", byref(request), family.encode())
    for name, value in params.items():
        if value is not None:
            call("sinter_request_set", byref(request), name.encode(), str(value).encode())
    return request


class Kernel:
    """A kernel on one device, ready to launch. Lives as long as its runtime."""

    def __init__(self, runtime, handle):
        self._runtime = runtime  # keeps it alive
        self._handle = handle
        self.args_bytes = library.sinter_kernel_args_bytes(handle)

    @property
    def name(self):
        """The spec's name, which is the entry symbol; of the stand-in while one answers."""
        return library.sinter_kernel_name(self._handle).decode()

    @property
    def stands_in(self):
        return bool(library.sinter_kernel_stands_in(self._handle))

    def launcher(self, args_type):
        return Launcher(self, args_type)


class Launcher:
    """One place that launches a kernel: its arguments, and the launch packed from them. For one thread at a time."""

    def __init__(self, kernel, args_type):
        self.kernel = kernel
        # As many bytes as this library takes; fields that the struct here does not know stay zero.
        memory = ctypes.create_string_buffer(max(kernel.args_bytes, ctypes.sizeof(args_type)))
        self.args = args_type.from_buffer(memory)
        packed = ctypes.create_string_buffer(_abi.PACKED_BYTES + _abi.PACKED_ALIGNMENT)
        self._memory, self._packed_memory = memory, packed
        start = ctypes.addressof(packed)
        self._packed = start + -start % _abi.PACKED_ALIGNMENT
        self._args = ctypes.addressof(memory)
        self._error = c_void_p()
        self._error_reference = byref(self._error)

    def launch(self, stream):
        """Enqueues self.args. `stream`: the vendor's handle as an integer; 0 is the default stream."""
        status = library.sinter_kernel_launch(self.kernel._handle, self._args, self.kernel.args_bytes, self._packed, stream,
                                              self._error_reference)
        if status:
            error, self._error.value = c_void_p(self._error.value), None
            _abi.fail(status, error)


class Runtime:
    """Owns compilers, cache and devices. `settings`: SINTER_* variables that go before the environment; `log` gets
    (level, message), levels 0 debug to 3 error, from any thread."""

    def __init__(self, settings=None, log=None):
        texts = [f"{name}={value}".encode() for name, value in (settings or {}).items()]
        self._log = _abi.LogFunction((lambda level, text, _: log(level, text.decode(errors="replace"))) if log else 0)
        options = _abi.Options(ctypes.sizeof(_abi.Options), 0, (c_char_p * len(texts))(*texts), len(texts), self._log, None)
        self._handle = c_void_p()
        call("sinter_runtime_create", byref(options), byref(self._handle))
        self._devices = {}

    def __del__(self):
        if getattr(self, "_handle", None):
            library.sinter_runtime_destroy(self._handle)

    def open_device(self, name):
        """The number of "host", "cuda:0", "hip:1"."""
        if name not in self._devices:
            device = c_int32()
            call("sinter_open_device", self._handle, name.encode(), byref(device))
            self._devices[name] = device.value
        return self._devices[name]

    def get_kernel(self, device, family, params, policy="block", stream=0):
        """`device` by name. `policy`: block, fallback (a stand-in answers at once where one is resident) or strict (never
        compiles). `stream`: that it is wanted for; while it is captured only live kernels are to be had."""
        request = make_request(family, params)
        options = _abi.GetOptions(ctypes.sizeof(_abi.GetOptions), POLICIES[policy], stream)
        kernel = c_void_p()
        call("sinter_get_kernel_with", self._handle, self.open_device(device), byref(request), byref(options), byref(kernel))
        return Kernel(self, kernel)

    def prefetch(self, device, requests):
        """Builds a list of (family, params) in the background."""
        made = [make_request(family, params) for family, params in requests]
        call("sinter_prefetch", self._handle, self.open_device(device), (_abi.Request * len(made))(*made), len(made))

    def wait_background(self, seconds=600):
        call("sinter_wait_background", self._handle, int(seconds * 1000))

    def swap_ready(self):
        """Call it between two steps: kernels that are ready take their stand-ins' places. How many did."""
        swapped = c_uint64()
        call("sinter_swap_ready", self._handle, byref(swapped))
        return swapped.value

    def end_warmup(self, late="warn"):
        """From now on a compile is counted, warned of, or an error ("count", "warn", "error"); "allow": as before."""
        call("sinter_end_warmup", self._handle, LATE_COMPILES[late])

    def stats(self):
        stats = _abi.Stats(ctypes.sizeof(_abi.Stats))
        library.sinter_get_stats(self._handle, byref(stats))
        return {name: getattr(stats, name) for name in stats.COUNTERS}


_default, _default_lock = None, threading.Lock()


def default_runtime():
    """The runtime that the functions of this package use, made from the environment when it is first needed."""
    global _default
    with _default_lock:
        if _default is None:
            _default = Runtime()
        return _default
