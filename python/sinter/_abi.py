# SPDX-License-Identifier: Apache-2.0
"""include/sinter/sinter.h for ctypes: structs, prototypes, and where the library is."""
import ctypes
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

MAX_PARAMS = 16
PACKED_BYTES, PACKED_ALIGNMENT = 1920, 64

STATUS = ("ok", "invalid_request", "unsupported", "not_prebuilt", "compiler_unavailable", "compile_failed", "timeout",
          "driver_error", "cache_error", "internal")


class SinterError(RuntimeError):
    """A refused or failed call: one sentence with the value, the limit and the way out."""

    def __init__(self, status, message, log=""):
        super().__init__(message)
        self.status = STATUS[status] if status < len(STATUS) else str(status)
        self.log = log  #: The compiler's output, or "".


LogFunction = ctypes.CFUNCTYPE(None, c_int, c_char_p, c_void_p)


class Options(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("allow_unsafe_vskip", c_uint32), ("settings", POINTER(c_char_p)),
                ("settings_count", c_size_t), ("log", LogFunction), ("log_user", c_void_p)]


class Request(ctypes.Structure):
    _fields_ = [("family", c_uint64), ("values", c_int64 * MAX_PARAMS)]


class GetOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("policy", c_uint32), ("stream", c_void_p)]


class Stats(ctypes.Structure):
    COUNTERS = ("memory_hits", "local_hits", "misses", "bad_entries", "storage_faults", "compiles", "failed_compiles",
                "refused", "bundle_hits", "late_compiles", "late_loads", "stand_ins", "swaps", "background",
                "background_failures")
    _fields_ = [("struct_size", c_uint32), ("reserved", c_uint32)] + [(name, c_int64) for name in COUNTERS]


class GroupedGemmArgs(ctypes.Structure):
    _fields_ = [("a", c_void_p), ("b", c_void_p), ("d", c_void_p), ("a_scale", c_void_p), ("b_scale", c_void_p),
                ("row_offsets", c_void_p), ("rows", c_int64), ("bias", c_void_p)]


class GroupedWgradArgs(ctypes.Structure):
    _fields_ = [("dy", c_void_p), ("x", c_void_p), ("dw", c_void_p), ("row_offsets", c_void_p), ("rows", c_int64)]


class QuantizeArgs(ctypes.Structure):
    _fields_ = [("x", c_void_p), ("q", c_void_p), ("scale", c_void_p), ("rows", c_int64)]


# Every function but those of RESULTS returns a sinter_status and has `sinter_error** error` last.
ARGUMENTS = {
    "sinter_runtime_create": (POINTER(Options), POINTER(c_void_p)),
    "sinter_open_device": (c_void_p, c_char_p, POINTER(c_int32)),
    "sinter_request_init": (POINTER(Request), c_char_p),
    "sinter_request_set": (POINTER(Request), c_char_p, c_char_p),
    "sinter_get_kernel_with": (c_void_p, c_int32, POINTER(Request), POINTER(GetOptions), POINTER(c_void_p)),
    "sinter_kernel_launch": (c_void_p, c_void_p, c_size_t, c_void_p, c_void_p),
    "sinter_swap_ready": (c_void_p, POINTER(c_uint64)),
    "sinter_prefetch": (c_void_p, c_int32, POINTER(Request), c_size_t),
    "sinter_wait_background": (c_void_p, c_uint32),
    "sinter_end_warmup": (c_void_p, c_uint32),
}
RESULTS = {
    "sinter_version": (c_char_p, ()),
    "sinter_error_message": (c_char_p, (c_void_p,)),
    "sinter_error_log": (c_char_p, (c_void_p,)),
    "sinter_error_free": (None, (c_void_p,)),
    "sinter_runtime_destroy": (None, (c_void_p,)),
    "sinter_kernel_name": (c_char_p, (c_void_p,)),
    "sinter_kernel_stands_in": (c_int32, (c_void_p,)),
    "sinter_kernel_args_bytes": (c_size_t, (c_void_p,)),
    "sinter_get_stats": (c_int, (c_void_p, POINTER(Stats))),
}


def _candidates():
    if "SINTER_LIBRARY" in os.environ:
        return [os.environ["SINTER_LIBRARY"]]
    here = os.path.dirname(os.path.abspath(__file__))
    places = [os.path.join(here, name) for name in ("libsinter.so.0", "libsinter.so")]
    places.append(os.path.join(here, "..", "..", "build", "release", "lib", "libsinter.so.0"))
    return [place for place in places if os.path.exists(place)] + ["libsinter.so.0", "libsinter.so"]


def _open():
    problems = []
    for name in _candidates():
        try:
            library = ctypes.CDLL(name)
            break
        except OSError as problem:
            problems.append(str(problem))
    else:
        raise OSError("libsinter.so is not to be found; set SINTER_LIBRARY=/path/to/libsinter.so.0 (" + "; ".join(problems) + ")")
    for function, arguments in ARGUMENTS.items():
        getattr(library, function).argtypes = (*arguments, POINTER(c_void_p))
    for function, (result, arguments) in RESULTS.items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    return library


library = _open()


def fail(status, error):
    """Raises what `error` (a c_void_p that a call filled) says, and frees it."""
    message = library.sinter_error_message(error).decode() if error else "Sinter failed without a message"
    log = library.sinter_error_log(error).decode() if error else ""
    library.sinter_error_free(error)
    raise SinterError(status, message, log)


def call(function, *arguments):
    error = c_void_p()
    status = getattr(library, function)(*arguments, byref(error))
    if status:
        fail(status, error)
