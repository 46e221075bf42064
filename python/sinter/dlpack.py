# SPDX-License-Identifier: Apache-2.0
"""Tensors of any framework by DLPack: the struct of dlpack.h (version 0, which every producer offers) for ctypes."""
import ctypes
from ctypes import POINTER, c_int32, c_int64, c_uint8, c_uint16, c_uint64, c_void_p

CPU, CUDA, CUDA_HOST, ROCM = 1, 2, 3, 10
_INT, _UINT, _FLOAT, _BFLOAT, _FLOAT8_E4M3FN = 0, 1, 2, 4, 10
DTYPES = {(_INT, 32): "int32", (_INT, 64): "int64", (_UINT, 8): "uint8", (_UINT, 16): "uint16", (_FLOAT, 16): "float16",
          (_FLOAT, 32): "float32", (_BFLOAT, 16): "bfloat16", (_FLOAT8_E4M3FN, 8): "float8_e4m3fn"}
CODES = {name: code for code, name in DTYPES.items()}


class _DLTensor(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("device_type", c_int32), ("device_id", c_int32), ("ndim", c_int32), ("code", c_uint8),
                ("bits", c_uint8), ("lanes", c_uint16), ("shape", POINTER(c_int64)), ("strides", POINTER(c_int64)),
                ("byte_offset", c_uint64)]


class _Managed(ctypes.Structure):
    pass


_Deleter = ctypes.CFUNCTYPE(None, POINTER(_Managed))
_Managed._fields_ = [("tensor", _DLTensor), ("context", c_void_p), ("deleter", _Deleter)]

_python = ctypes.pythonapi
_python.PyCapsule_GetPointer.restype, _python.PyCapsule_GetPointer.argtypes = c_void_p, [ctypes.py_object, ctypes.c_char_p]
_python.PyCapsule_IsValid.restype, _python.PyCapsule_IsValid.argtypes = ctypes.c_int, [ctypes.py_object, ctypes.c_char_p]
_python.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]
_CapsuleDestructor = ctypes.CFUNCTYPE(None, c_void_p)
_python.PyCapsule_New.restype = ctypes.py_object
_python.PyCapsule_New.argtypes = [c_void_p, ctypes.c_char_p, _CapsuleDestructor]
_raw_pointer = ctypes.PYFUNCTYPE(c_void_p, c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _python))
_raw_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _python))
_NAME, _USED = b"dltensor", b"used_dltensor"


class View:
    """A tensor of somebody else, held until this object goes."""

    def __init__(self, producer, stream=None):
        """`stream`: of a GPU; the producer makes its data ready for work there."""
        if isinstance(producer, View):
            raise TypeError("a View is no producer")
        if not hasattr(producer, "__dlpack__"):
            raise TypeError(f"{type(producer).__name__} has no __dlpack__: pass an array of numpy, torch, cupy, jax, ...")
        device_type, _ = producer.__dlpack_device__()
        on_gpu = device_type in (CUDA, ROCM)
        # 0 is ambiguous in the protocol: CUDA's default stream is 1 there, ROCm's is 0.
        asked = 1 if device_type == CUDA and not stream else stream
        capsule = producer.__dlpack__(stream=asked) if on_gpu else producer.__dlpack__()
        if not _python.PyCapsule_IsValid(capsule, _NAME):
            raise TypeError("the producer gave no DLPack capsule that is unused")
        self._managed = ctypes.cast(_python.PyCapsule_GetPointer(capsule, _NAME), POINTER(_Managed))
        _python.PyCapsule_SetName(capsule, _USED)
        tensor = self._managed.contents.tensor
        self.device_type, self.device_id = tensor.device_type, tensor.device_id
        self.shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
        self.pointer = (tensor.data or 0) + tensor.byte_offset
        self.dtype = DTYPES.get((tensor.code, tensor.bits)) if tensor.lanes == 1 else None
        if self.dtype is None:
            raise TypeError(f"DLPack type {tensor.code} of {tensor.bits} bits and {tensor.lanes} lanes is none that kernels take")
        strides = tensor.strides
        self.is_contiguous = not strides or _is_contiguous(self.shape, [strides[i] for i in range(tensor.ndim)])

    def __del__(self):
        managed = getattr(self, "_managed", None)
        if managed and managed.contents.deleter:
            managed.contents.deleter(managed)

    @property
    def device(self):
        """As sinter_open_device names it."""
        return {CPU: "host", CUDA_HOST: "host", CUDA: f"cuda:{self.device_id}", ROCM: f"hip:{self.device_id}"}[self.device_type]


def _is_contiguous(shape, strides):
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


class Tensor:
    """Memory of the host that this package allocated, for whoever takes DLPack: numpy.from_dlpack(t), torch.from_dlpack(t)."""
    ALIGNMENT = 64

    def __init__(self, shape, dtype):
        self.shape, self.dtype = tuple(shape), dtype
        count = 1
        for size in self.shape:
            count *= size
        self.nbytes = count * CODES[dtype][1] // 8
        self._memory = ctypes.create_string_buffer(self.nbytes + self.ALIGNMENT)
        start = ctypes.addressof(self._memory)
        self.pointer = start + -start % self.ALIGNMENT

    def __dlpack_device__(self):
        return (CPU, 0)

    def __dlpack__(self, stream=None, **_):
        holder = _Export(self)
        return _python.PyCapsule_New(ctypes.addressof(holder.managed), _NAME, _destroy_capsule)

    def __buffer__(self, _flags=0):
        return memoryview((ctypes.c_char * self.nbytes).from_address(self.pointer)).cast("B")

    def tobytes(self):
        return ctypes.string_at(self.pointer, self.nbytes)


class _Export:
    """What one capsule of a Tensor points to; alive until its consumer calls the deleter."""
    alive = {}

    def __init__(self, tensor):
        self.tensor = tensor
        self.shape = (c_int64 * len(tensor.shape))(*tensor.shape)
        code, bits = CODES[tensor.dtype]
        self.managed = _Managed(_DLTensor(tensor.pointer, CPU, 0, len(tensor.shape), code, bits, 1, self.shape, None, 0), None,
                                _release_export)
        _Export.alive[ctypes.addressof(self.managed)] = self


@_Deleter
def _release_export(managed):
    _Export.alive.pop(ctypes.addressof(managed.contents), None)


@_CapsuleDestructor
def _destroy_capsule(capsule):
    # Of a capsule that nobody took.
    if _raw_is_valid(capsule, _NAME):
        _Export.alive.pop(_raw_pointer(capsule, _NAME), None)
