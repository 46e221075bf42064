// SPDX-License-Identifier: Apache-2.0
#include "runtime/explain/error_numbers.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sinter {

namespace {

using nlohmann::ordered_json;

constexpr ErrorNumber kNumbers[] = {
    {0, "CUDA_SUCCESS", "cudaSuccess", "hipSuccess"},
    {1, "CUDA_ERROR_INVALID_VALUE", "cudaErrorInvalidValue", "hipErrorInvalidValue"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "cudaErrorMemoryAllocation", "hipErrorOutOfMemory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "cudaErrorInitializationError", "hipErrorNotInitialized"},
    {4, "CUDA_ERROR_DEINITIALIZED", "cudaErrorCudartUnloading", "hipErrorDeinitialized"},
    {5, "CUDA_ERROR_PROFILER_DISABLED", "cudaErrorProfilerDisabled", "hipErrorProfilerDisabled"},
    {6, "CUDA_ERROR_PROFILER_NOT_INITIALIZED", "cudaErrorProfilerNotInitialized", "hipErrorProfilerNotInitialized"},
    {7, "CUDA_ERROR_PROFILER_ALREADY_STARTED", "cudaErrorProfilerAlreadyStarted", "hipErrorProfilerAlreadyStarted"},
    {8, "CUDA_ERROR_PROFILER_ALREADY_STOPPED", "cudaErrorProfilerAlreadyStopped", "hipErrorProfilerAlreadyStopped"},
    {9, "", "cudaErrorInvalidConfiguration", "hipErrorInvalidConfiguration"},
    {12, "", "cudaErrorInvalidPitchValue", "hipErrorInvalidPitchValue"},
    {13, "", "cudaErrorInvalidSymbol", "hipErrorInvalidSymbol"},
    {16, "", "cudaErrorInvalidHostPointer", ""},
    {17, "", "cudaErrorInvalidDevicePointer", "hipErrorInvalidDevicePointer"},
    {18, "", "cudaErrorInvalidTexture", ""},
    {19, "", "cudaErrorInvalidTextureBinding", ""},
    {20, "", "cudaErrorInvalidChannelDescriptor", ""},
    {21, "", "cudaErrorInvalidMemcpyDirection", "hipErrorInvalidMemcpyDirection"},
    {22, "", "cudaErrorAddressOfConstant", ""},
    {23, "", "cudaErrorTextureFetchFailed", ""},
    {24, "", "cudaErrorTextureNotBound", ""},
    {25, "", "cudaErrorSynchronizationError", ""},
    {26, "", "cudaErrorInvalidFilterSetting", ""},
    {27, "", "cudaErrorInvalidNormSetting", ""},
    {28, "", "cudaErrorMixedDeviceExecution", ""},
    {31, "", "cudaErrorNotYetImplemented", ""},
    {32, "", "cudaErrorMemoryValueTooLarge", ""},
    {34, "CUDA_ERROR_STUB_LIBRARY", "cudaErrorStubLibrary", ""},
    {35, "", "cudaErrorInsufficientDriver", "hipErrorInsufficientDriver"},
    {36, "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER", "cudaErrorCallRequiresNewerDriver", ""},
    {37, "", "cudaErrorInvalidSurface", ""},
    {43, "", "cudaErrorDuplicateVariableName", ""},
    {44, "", "cudaErrorDuplicateTextureName", ""},
    {45, "", "cudaErrorDuplicateSurfaceName", ""},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "cudaErrorDevicesUnavailable", ""},
    {49, "", "cudaErrorIncompatibleDriverContext", ""},
    {52, "", "cudaErrorMissingConfiguration", "hipErrorMissingConfiguration"},
    {53, "", "cudaErrorPriorLaunchFailure", "hipErrorPriorLaunchFailure"},
    {65, "", "cudaErrorLaunchMaxDepthExceeded", ""},
    {66, "", "cudaErrorLaunchFileScopedTex", ""},
    {67, "", "cudaErrorLaunchFileScopedSurf", ""},
    {68, "", "cudaErrorSyncDepthExceeded", ""},
    {69, "", "cudaErrorLaunchPendingCountExceeded", ""},
    {98, "", "cudaErrorInvalidDeviceFunction", "hipErrorInvalidDeviceFunction"},
    {100, "CUDA_ERROR_NO_DEVICE", "cudaErrorNoDevice", "hipErrorNoDevice"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "cudaErrorInvalidDevice", "hipErrorInvalidDevice"},
    {102, "CUDA_ERROR_DEVICE_NOT_LICENSED", "cudaErrorDeviceNotLicensed", ""},
    {103, "", "cudaErrorSoftwareValidityNotEstablished", ""},
    {127, "", "cudaErrorStartupFailure", ""},
    {200, "CUDA_ERROR_INVALID_IMAGE", "cudaErrorInvalidKernelImage", "hipErrorInvalidImage"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "cudaErrorDeviceUninitialized", "hipErrorInvalidContext"},
    {202, "CUDA_ERROR_CONTEXT_ALREADY_CURRENT", "", "hipErrorContextAlreadyCurrent"},
    {205, "CUDA_ERROR_MAP_FAILED", "cudaErrorMapBufferObjectFailed", "hipErrorMapFailed"},
    {206, "CUDA_ERROR_UNMAP_FAILED", "cudaErrorUnmapBufferObjectFailed", "hipErrorUnmapFailed"},
    {207, "CUDA_ERROR_ARRAY_IS_MAPPED", "cudaErrorArrayIsMapped", "hipErrorArrayIsMapped"},
    {208, "CUDA_ERROR_ALREADY_MAPPED", "cudaErrorAlreadyMapped", "hipErrorAlreadyMapped"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "cudaErrorNoKernelImageForDevice", "hipErrorNoBinaryForGpu"},
    {210, "CUDA_ERROR_ALREADY_ACQUIRED", "cudaErrorAlreadyAcquired", "hipErrorAlreadyAcquired"},
    {211, "CUDA_ERROR_NOT_MAPPED", "cudaErrorNotMapped", "hipErrorNotMapped"},
    {212, "CUDA_ERROR_NOT_MAPPED_AS_ARRAY", "cudaErrorNotMappedAsArray", "hipErrorNotMappedAsArray"},
    {213, "CUDA_ERROR_NOT_MAPPED_AS_POINTER", "cudaErrorNotMappedAsPointer", "hipErrorNotMappedAsPointer"},
    {214, "CUDA_ERROR_ECC_UNCORRECTABLE", "cudaErrorECCUncorrectable", "hipErrorECCNotCorrectable"},
    {215, "CUDA_ERROR_UNSUPPORTED_LIMIT", "cudaErrorUnsupportedLimit", "hipErrorUnsupportedLimit"},
    {216, "CUDA_ERROR_CONTEXT_ALREADY_IN_USE", "cudaErrorDeviceAlreadyInUse", "hipErrorContextAlreadyInUse"},
    {217, "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED", "cudaErrorPeerAccessUnsupported", "hipErrorPeerAccessUnsupported"},
    {218, "CUDA_ERROR_INVALID_PTX", "cudaErrorInvalidPtx", "hipErrorInvalidKernelFile"},
    {219, "CUDA_ERROR_INVALID_GRAPHICS_CONTEXT", "cudaErrorInvalidGraphicsContext", "hipErrorInvalidGraphicsContext"},
    {220, "CUDA_ERROR_NVLINK_UNCORRECTABLE", "cudaErrorNvlinkUncorrectable", ""},
    {221, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND", "cudaErrorJitCompilerNotFound", ""},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "cudaErrorUnsupportedPtxVersion", ""},
    {223, "CUDA_ERROR_JIT_COMPILATION_DISABLED", "cudaErrorJitCompilationDisabled", ""},
    {224, "CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY", "cudaErrorUnsupportedExecAffinity", ""},
    {225, "CUDA_ERROR_UNSUPPORTED_DEVSIDE_SYNC", "cudaErrorUnsupportedDevSideSync", ""},
    {226, "CUDA_ERROR_CONTAINED", "cudaErrorContained", ""},
    {300, "CUDA_ERROR_INVALID_SOURCE", "cudaErrorInvalidSource", "hipErrorInvalidSource"},
    {301, "CUDA_ERROR_FILE_NOT_FOUND", "cudaErrorFileNotFound", "hipErrorFileNotFound"},
    {302, "CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND", "cudaErrorSharedObjectSymbolNotFound", "hipErrorSharedObjectSymbolNotFound"},
    {303, "CUDA_ERROR_SHARED_OBJECT_INIT_FAILED", "cudaErrorSharedObjectInitFailed", "hipErrorSharedObjectInitFailed"},
    {304, "CUDA_ERROR_OPERATING_SYSTEM", "cudaErrorOperatingSystem", "hipErrorOperatingSystem"},
    {400, "CUDA_ERROR_INVALID_HANDLE", "cudaErrorInvalidResourceHandle", "hipErrorInvalidHandle"},
    {401, "CUDA_ERROR_ILLEGAL_STATE", "cudaErrorIllegalState", "hipErrorIllegalState"},
    {402, "CUDA_ERROR_LOSSY_QUERY", "cudaErrorLossyQuery", ""},
    {500, "CUDA_ERROR_NOT_FOUND", "cudaErrorSymbolNotFound", "hipErrorNotFound"},
    {600, "CUDA_ERROR_NOT_READY", "cudaErrorNotReady", "hipErrorNotReady"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "cudaErrorIllegalAddress", "hipErrorIllegalAddress"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "cudaErrorLaunchOutOfResources", "hipErrorLaunchOutOfResources"},
    {702, "CUDA_ERROR_LAUNCH_TIMEOUT", "cudaErrorLaunchTimeout", "hipErrorLaunchTimeOut"},
    {703, "CUDA_ERROR_LAUNCH_INCOMPATIBLE_TEXTURING", "cudaErrorLaunchIncompatibleTexturing", ""},
    {704, "CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED", "cudaErrorPeerAccessAlreadyEnabled", "hipErrorPeerAccessAlreadyEnabled"},
    {705, "CUDA_ERROR_PEER_ACCESS_NOT_ENABLED", "cudaErrorPeerAccessNotEnabled", "hipErrorPeerAccessNotEnabled"},
    {708, "CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE", "cudaErrorSetOnActiveProcess", "hipErrorSetOnActiveProcess"},
    {709, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "cudaErrorContextIsDestroyed", "hipErrorContextIsDestroyed"},
    {710, "CUDA_ERROR_ASSERT", "cudaErrorAssert", "hipErrorAssert"},
    {711, "CUDA_ERROR_TOO_MANY_PEERS", "cudaErrorTooManyPeers", ""},
    {712, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED", "cudaErrorHostMemoryAlreadyRegistered", "hipErrorHostMemoryAlreadyRegistered"},
    {713, "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED", "cudaErrorHostMemoryNotRegistered", "hipErrorHostMemoryNotRegistered"},
    {714, "CUDA_ERROR_HARDWARE_STACK_ERROR", "cudaErrorHardwareStackError", ""},
    {715, "CUDA_ERROR_ILLEGAL_INSTRUCTION", "cudaErrorIllegalInstruction", ""},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS", "cudaErrorMisalignedAddress", ""},
    {717, "CUDA_ERROR_INVALID_ADDRESS_SPACE", "cudaErrorInvalidAddressSpace", ""},
    {718, "CUDA_ERROR_INVALID_PC", "cudaErrorInvalidPc", ""},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "cudaErrorLaunchFailure", "hipErrorLaunchFailure"},
    {720, "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE", "cudaErrorCooperativeLaunchTooLarge", "hipErrorCooperativeLaunchTooLarge"},
    {721, "CUDA_ERROR_TENSOR_MEMORY_LEAK", "cudaErrorTensorMemoryLeak", ""},
    {800, "CUDA_ERROR_NOT_PERMITTED", "cudaErrorNotPermitted", ""},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "cudaErrorNotSupported", "hipErrorNotSupported"},
    {802, "CUDA_ERROR_SYSTEM_NOT_READY", "cudaErrorSystemNotReady", ""},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "cudaErrorSystemDriverMismatch", ""},
    {804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE", "cudaErrorCompatNotSupportedOnDevice", ""},
    {805, "CUDA_ERROR_MPS_CONNECTION_FAILED", "cudaErrorMpsConnectionFailed", ""},
    {806, "CUDA_ERROR_MPS_RPC_FAILURE", "cudaErrorMpsRpcFailure", ""},
    {807, "CUDA_ERROR_MPS_SERVER_NOT_READY", "cudaErrorMpsServerNotReady", ""},
    {808, "CUDA_ERROR_MPS_MAX_CLIENTS_REACHED", "cudaErrorMpsMaxClientsReached", ""},
    {809, "CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED", "cudaErrorMpsMaxConnectionsReached", ""},
    {810, "CUDA_ERROR_MPS_CLIENT_TERMINATED", "cudaErrorMpsClientTerminated", ""},
    {811, "CUDA_ERROR_CDP_NOT_SUPPORTED", "cudaErrorCdpNotSupported", ""},
    {812, "CUDA_ERROR_CDP_VERSION_MISMATCH", "cudaErrorCdpVersionMismatch", ""},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "cudaErrorStreamCaptureUnsupported", "hipErrorStreamCaptureUnsupported"},
    {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "cudaErrorStreamCaptureInvalidated", "hipErrorStreamCaptureInvalidated"},
    {902, "CUDA_ERROR_STREAM_CAPTURE_MERGE", "cudaErrorStreamCaptureMerge", "hipErrorStreamCaptureMerge"},
    {903, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "cudaErrorStreamCaptureUnmatched", "hipErrorStreamCaptureUnmatched"},
    {904, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "cudaErrorStreamCaptureUnjoined", "hipErrorStreamCaptureUnjoined"},
    {905, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "cudaErrorStreamCaptureIsolation", "hipErrorStreamCaptureIsolation"},
    {906, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT", "cudaErrorStreamCaptureImplicit", "hipErrorStreamCaptureImplicit"},
    {907, "CUDA_ERROR_CAPTURED_EVENT", "cudaErrorCapturedEvent", "hipErrorCapturedEvent"},
    {908, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "cudaErrorStreamCaptureWrongThread", "hipErrorStreamCaptureWrongThread"},
    {909, "CUDA_ERROR_TIMEOUT", "cudaErrorTimeout", ""},
    {910, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE", "cudaErrorGraphExecUpdateFailure", "hipErrorGraphExecUpdateFailure"},
    {911, "CUDA_ERROR_EXTERNAL_DEVICE", "cudaErrorExternalDevice", "hipErrorInvalidChannelDescriptor"},
    {912, "CUDA_ERROR_INVALID_CLUSTER_SIZE", "cudaErrorInvalidClusterSize", "hipErrorInvalidTexture"},
    {913, "CUDA_ERROR_FUNCTION_NOT_LOADED", "cudaErrorFunctionNotLoaded", ""},
    {914, "CUDA_ERROR_INVALID_RESOURCE_TYPE", "cudaErrorInvalidResourceType", ""},
    {915, "CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION", "cudaErrorInvalidResourceConfiguration", ""},
    {916, "CUDA_ERROR_KEY_ROTATION", "", ""},
    {999, "CUDA_ERROR_UNKNOWN", "cudaErrorUnknown", "hipErrorUnknown"},
    {1052, "", "", "hipErrorRuntimeMemory"},
    {1053, "", "", "hipErrorRuntimeOther"},
};

// Meanings by the vendors' documentation, advice by experience.
constexpr ErrorAdvice kAdvice[] = {
    {0, "success",
     ""},
    {1, "an argument of the call is out of range",
     "a launch: compare grid, block, dynamic shared memory and the size of the arguments with the kernel and the "
     "device; HIP also says it for more than 2^32 threads in a grid"},
    {2, "no device memory is left, or too little in one piece",
     "free or shrink buffers; other processes may hold memory too"},
    {3, "the driver was called before it was initialized",
     "call cuInit or hipInit, or any runtime function, first; in a forked child initialize again or fork earlier"},
    {4, "the driver is shutting down",
     "the call came from a destructor or thread that outlives main"},
    {9, "the grid or block cannot be launched",
     "a block has at most 1024 threads, grids have limits per dimension"},
    {35, "the installed driver is older than the runtime library needs",
     "update the driver, or use a runtime that matches it"},
    {53, "an earlier asynchronous launch failed",
     "look at the launches before this one; synchronize after each to find it"},
    {98, "the kernel function is not one of this device: the program holds no code for it",
     "the binary was built without this arch, or the handle is of another module; this is not an illegal address, "
     "which is 700"},
    {100, "there is no device",
     "load the kernel driver, check permissions of /dev/kfd or /dev/nvidia*, and CUDA_VISIBLE_DEVICES, "
     "HIP_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES"},
    {101, "there is no device of this ordinal",
     "count the devices first; HIP 5.2 says it too where there is none at all"},
    {200, "the image is no code object that the driver knows",
     "the file is damaged, of another vendor, or of a later code object version than the driver"},
    {201, "no context is current, or it is another device's",
     "make the device current on this thread; HIP has contexts in name only"},
    {209, "the file holds no code for this device",
     "compile for the device's arch; on AMD the features count too (xnack, sramecc); `sinter doctor` shows archs"},
    {214, "memory had an error that ECC could not correct",
     "the device needs a reset; if it returns, hardware is failing"},
    {218, "CUDA: the driver's compiler refuses the PTX. HIP: the file is no kernel file",
     "PTX: read the compiler's log, and compare the PTX version with the driver's; HIP: check that the file is a "
     "code object"},
    {221, "the driver's PTX compiler is not installed",
     "install libnvidia-ptxjitcompiler, or compile to a cubin"},
    {222, "the PTX is of a later version than the driver's compiler",
     "update the driver, or compile to a cubin"},
    {301, "a file that was to be loaded is not there",
     "check the path and permissions"},
    {302, "a shared library lacks a symbol",
     "libraries of different versions are mixed"},
    {303, "a shared library could not be initialized",
     "read the loader's message; libraries of different versions may be mixed"},
    {304, "a call of the operating system failed",
     "limits of memory, locked memory or files; permissions of device files"},
    {400, "a handle (stream, event, module, function) is not valid here",
     "it was destroyed, or it belongs to another device or context"},
    {401, "the object is not in a state for this call",
     "look for use during capture, or after an error"},
    {500, "the module has no symbol of that name",
     "C++ names are mangled: look the symbol up exactly as it is in the file"},
    {600, "the work has not finished",
     "no error: ask again, or wait"},
    {700, "a kernel read or wrote outside of its memory (on AMD: a memory aperture violation or page fault)",
     "asynchronous and sticky: an earlier launch than the failing call did it. Run with SINTER_CHECKED=1, or "
     "synchronize after each launch; check buffer sizes against the shape, and whether the kernel was built for this "
     "shape and device. The context is lost: start the process anew. It is not \"invalid device function\", which is "
     "98"},
    {701, "a launch needs more registers or threads than a unit has",
     "smaller blocks, or fewer registers per thread"},
    {702, "a kernel ran longer than the watchdog allows",
     "a display is on this device, or the kernel waits for something that never comes"},
    {704, "peer access is already enabled",
     "no error if that was wanted"},
    {705, "peer access was not enabled",
     "enable it between these two devices first"},
    {709, "the context was destroyed",
     "a library reset the device or ended the context while others used it"},
    {710, "an assertion in a kernel failed",
     "its text is on standard output; the context is lost"},
    {712, "this host memory is registered already",
     "register each range once"},
    {713, "this host memory was never registered",
     "register it before"},
    {715, "a kernel met an instruction that the device does not have",
     "the code is for another device, or memory that holds code was overwritten"},
    {716, "a kernel used an address that its instruction cannot: alignment",
     "check the alignment of operands: vector loads need 8 or 16 bytes"},
    {717, "an instruction for one address space met an address of another",
     "generic and shared addresses are mixed"},
    {718, "a kernel jumped outside of its code",
     "a function pointer or the stack was overwritten"},
    {719, "a kernel failed for a reason that the driver does not tell",
     "asynchronous and sticky, like 700; on AMD also when a queue was aborted: look into dmesg for the fault's "
     "address"},
    {720, "a cooperative grid does not fit on the device at once",
     "a smaller grid: blocks per unit times units"},
    {800, "the operation is not permitted",
     "rights, or the process's mode (MPS, confidential computing)"},
    {801, "the device or driver does not support the call",
     "ask for the capability first"},
    {802, "system services are not ready",
     "on NVSwitch machines start the fabric manager"},
    {803, "the driver library and the kernel module have different versions",
     "reboot, or reload the kernel module after an update"},
    {804, "the forward-compatibility library does not run on this device",
     "remove cuda-compat from the library path, or update the driver"},
    {900, "the call is not allowed while a stream is captured",
     "compile, load and allocate before the capture"},
    {901, "an earlier error ended the capture",
     "look at the first failing call in the capture"},
    {906, "the legacy default stream was used while another was captured",
     "use explicit streams, or capture in relaxed mode"},
    {911, "CUDA: an operation outside of the device failed. HIP: a channel descriptor is not valid",
     "the number differs by vendor: see the names"},
    {912, "CUDA: a cluster of this size cannot be launched. HIP: a texture is not valid",
     "the number differs by vendor: see the names"},
    {999, "an error that the driver does not know",
     "look into dmesg; driver and kernel module may not match, or a device was lost"},
    {1052, "ROCr ran out of memory or of a resource",
     "close processes or queues"},
    {1053, "ROCr failed for another reason",
     "look into dmesg"},
};

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// "IllegalAddress" of cudaErrorIllegalAddress and hipErrorIllegalAddress; "Success".
std::string_view runtime_stem(std::string_view name) {
  for (const std::string_view prefix : {"cudaError", "hipError", "cuda", "hip"}) {
    if (name.starts_with(prefix)) {
      return name.substr(prefix.size());
    }
  }
  return name;
}

bool is_same(const ErrorNumber& error) {
  return !error.hip.empty() && runtime_stem(error.hip) == runtime_stem(error.cuda_runtime);
}

ordered_json or_null(std::string_view text) { return text.empty() ? ordered_json(nullptr) : ordered_json(text); }

}  // namespace

Result<ErrorNumber> find_error_number(std::string_view wanted) {
  int number = -1;
  if (is_number(wanted)) {
    std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  }
  for (const ErrorNumber& error : kNumbers) {
    const bool is_named = !wanted.empty() && (error.cuda_driver == wanted || error.cuda_runtime == wanted || error.hip == wanted);
    if (error.number == number || is_named) {
      return error;
    }
  }
  return make_error(ErrorCode::kInvalidRequest,
                    is_number(wanted) ? fmt::format("neither CUDA 13.0 nor HIP 6 has an error {}; numbers go from 0 to {}, with gaps",
                                                    wanted, std::end(kNumbers)[-1].number)
                                      : fmt::format("'{}' is no error of CUDA 13.0 or HIP 6", wanted));
}

std::optional<ErrorAdvice> error_advice(int number) {
  const auto found = std::find_if(std::begin(kAdvice), std::end(kAdvice),
                                  [number](const ErrorAdvice& advice) { return advice.number == number; });
  return found != std::end(kAdvice) ? std::optional(*found) : std::nullopt;
}

std::string to_text(const ErrorNumber& error) {
  const auto shown = [](std::string_view name) { return name.empty() ? std::string_view("-") : name; };
  std::string text = fmt::format("error {}\n  CUDA driver   {}\n  CUDA runtime  {}\n  HIP           {}\n", error.number,
                                 shown(error.cuda_driver), shown(error.cuda_runtime), shown(error.hip));
  if (!error.hip.empty() && !(error.cuda_runtime.empty() && error.cuda_driver.empty()) && !is_same(error)) {
    text += "  the vendors call it differently: ask which library said it\n";
  }
  if (const auto advice = error_advice(error.number)) {
    text += fmt::format("  means   {}\n", advice->meaning);
    text += advice->advice.empty() ? std::string() : fmt::format("  to do   {}\n", advice->advice);
  }
  return text;
}

std::string to_json(const ErrorNumber& error) {
  ordered_json document{{"number", error.number},
                        {"cuda", nullptr},
                        {"hip", or_null(error.hip)},
                        {"same", is_same(error)},
                        {"meaning", nullptr},
                        {"advice", nullptr}};
  if (!error.cuda_driver.empty() || !error.cuda_runtime.empty()) {
    document["cuda"] = {{"driver", or_null(error.cuda_driver)}, {"runtime", or_null(error.cuda_runtime)}};
  }
  if (const auto advice = error_advice(error.number)) {
    document["meaning"] = advice->meaning;
    document["advice"] = or_null(advice->advice);
  }
  return document.dump(2) + "\n";
}

}  // namespace sinter
