/* SPDX-License-Identifier: Apache-2.0 */

/* An ordinary program of HIP's module API, written against HIP's own headers. It knows nothing of the simulator: it is
   given one by LD_LIBRARY_PATH. Usage: hip_program CODE_OBJECT. The kernel is
   kernel(float* out, const float* in, float factor, int n) over a 2-D grid. Prints what it found; 0 if all is right. */

#define __HIP_PLATFORM_AMD__
#include <hip/hip_runtime_api.h>
#include <stdio.h>
#include <string.h>

#define CHECK(call)                                                            \
  do {                                                                         \
    const hipError_t status = (call);                                          \
    if (status != hipSuccess) {                                                \
      printf("%s: %s\n", #call, hipGetErrorString(status));                    \
      return 1;                                                                \
    }                                                                          \
  } while (0)

enum { kCount = 1000, kBlock = 64, kGridX = 4, kGridY = 5 };

/* What programs use besides: other allocations, copies and fills, attributes, occupancy, variables of the code. */
static int try_the_rest(hipModule_t module, hipFunction_t function, hipStream_t stream) {
  int wrong = 0, value = 0, grid = 0;
  hipDevice_t device;
  CHECK(hipDeviceGet(&device, 0));
  CHECK(hipDeviceGetAttribute(&value, hipDeviceAttributeWarpSize, device));
  wrong += value != 64;
  CHECK(hipFuncGetAttribute(&value, HIP_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, function));
  wrong += value != kBlock;
  CHECK(hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(&value, function, kBlock, 0));
  wrong += value < 1;
  CHECK(hipModuleOccupancyMaxPotentialBlockSize(&grid, &value, function, 0, 0));
  wrong += grid < 1 || value != kBlock;

  hipDeviceptr_t variable;
  size_t bytes = 0;
  int found = 0;
  CHECK(hipModuleGetGlobal(&variable, &bytes, module, "variable"));
  CHECK(hipMemcpyDtoH(&found, variable, sizeof found));
  wrong += bytes != sizeof found || found != 1234;
  wrong += hipModuleGetGlobal(&variable, &bytes, module, "nothing") != hipErrorNotFound;

  unsigned char *pinned, *plane, row[64];
  size_t pitch = 0;
  CHECK(hipHostMalloc((void**)&pinned, 64, 0));
  CHECK(hipMallocPitch((void**)&plane, &pitch, 64, 3));
  CHECK(hipMemset2D(plane, pitch, 7, 64, 3));
  CHECK(hipMemsetAsync(pinned, 9, 64, stream));
  CHECK(hipMemcpy2D(plane + pitch, pitch, pinned, 64, 64, 1, hipMemcpyDeviceToDevice));
  CHECK(hipMemcpyDtoH(row, plane + pitch, 64));
  wrong += row[0] != 9 || row[63] != 9;
  CHECK(hipMemcpyDtoH(row, plane + 2 * pitch, 64));
  wrong += row[0] != 7;
  CHECK(hipMemsetD16(plane, 0x0102, 32));
  CHECK(hipMemcpyDtoH(row, plane, 64));
  wrong += row[0] != 2 || row[63] != 1;
  CHECK(hipFree(plane));
  CHECK(hipHostFree(pinned));

  hipStreamCaptureStatus capturing;
  CHECK(hipStreamIsCapturing(stream, &capturing));
  wrong += capturing != hipStreamCaptureStatusNone;
  wrong += strcmp(hipGetErrorName(hipErrorIllegalAddress), "hipErrorIllegalAddress") != 0;
  wrong += strcmp(hipGetErrorName(hipErrorAlreadyMapped), "hipErrorAlreadyMapped") != 0;
  wrong += hipSetDevice(1) != hipErrorInvalidDevice || hipGetLastError() != hipErrorInvalidDevice ||
           hipGetLastError() != hipSuccess;
  return wrong;
}

static int count_wrong(const float* out, float factor) {
  int wrong = 0;
  for (int i = 0; i < kCount; ++i) {
    wrong += out[i] != (float)i * factor;
  }
  return wrong;
}

int main(int count, char** arguments) {
  static float in[kCount], out[kCount];
  if (count != 2) {
    return 2;
  }
  CHECK(hipInit(0));
  hipDeviceProp_t properties;
  CHECK(hipGetDeviceProperties(&properties, 0));
  printf("%s %s, %d units, waves of %d\n", properties.name, properties.gcnArchName, properties.multiProcessorCount,
         properties.warpSize);
  hipModule_t module;
  hipFunction_t function;
  hipStream_t stream;
  hipEvent_t begin, end;
  CHECK(hipModuleLoad(&module, arguments[1]));
  CHECK(hipModuleGetFunction(&function, module, "kernel"));
  CHECK(hipStreamCreate(&stream));
  CHECK(hipEventCreate(&begin));
  CHECK(hipEventCreate(&end));
  for (int i = 0; i < kCount; ++i) {
    in[i] = (float)i;
  }
  float *device_in, *device_out;
  CHECK(hipMalloc((void**)&device_in, sizeof in));
  CHECK(hipMalloc((void**)&device_out, sizeof out));
  CHECK(hipMemcpyAsync(device_in, in, sizeof in, hipMemcpyHostToDevice, stream));

  float factor = 3.0F;
  int n = kCount;
  void* pointers[] = {&device_out, &device_in, &factor, &n};
  CHECK(hipEventRecord(begin, stream));
  CHECK(hipModuleLaunchKernel(function, kGridX, kGridY, 1, kBlock, 1, 1, 0, stream, pointers, NULL));
  CHECK(hipEventRecord(end, stream));
  CHECK(hipStreamSynchronize(stream));
  CHECK(hipMemcpy(out, device_out, sizeof out, hipMemcpyDeviceToHost));
  int wrong = count_wrong(out, factor);

  struct {
    float *out, *in;
    float factor;
    int n;
  } buffer = {device_out, device_in, 5.0F, kCount};
  size_t bytes = sizeof buffer;
  void* extra[] = {HIP_LAUNCH_PARAM_BUFFER_POINTER, &buffer, HIP_LAUNCH_PARAM_BUFFER_SIZE, &bytes, HIP_LAUNCH_PARAM_END};
  CHECK(hipModuleLaunchKernel(function, kGridX, kGridY, 1, kBlock, 1, 1, 0, stream, NULL, extra));
  CHECK(hipDeviceSynchronize());
  CHECK(hipMemcpy(out, device_out, sizeof out, hipMemcpyDeviceToHost));
  wrong += count_wrong(out, buffer.factor);

  wrong += try_the_rest(module, function, stream);

  float milliseconds = -1;
  CHECK(hipEventElapsedTime(&milliseconds, begin, end));
  CHECK(hipFree(device_in));
  CHECK(hipFree(device_out));
  CHECK(hipEventDestroy(begin));
  CHECK(hipEventDestroy(end));
  CHECK(hipStreamDestroy(stream));
  CHECK(hipModuleUnload(module));
  printf("%d wrong\n", wrong);
  return wrong != 0 || milliseconds < 0;
}
