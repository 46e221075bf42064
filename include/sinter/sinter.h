/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SINTER_SINTER_H_
#define SINTER_SINTER_H_

/*
 * Sinter's C ABI: what a serving process links. libsinter.so exports these functions and nothing else: every library
 * inside it (SQLite, fmt, spdlog) is linked in and hidden, since a symbol that leaks can meet another version of itself
 * in the host. It opens vendors' drivers with dlopen and leaves compiling to worker processes.
 *
 * Use: create a runtime, open a device, fill a request, get the kernel, launch it as often as you like.
 *
 *   sinter_request request;
 *   sinter_request_init(&request, "grouped_gemm", NULL);
 *   sinter_request_set_int(&request, "n", 2816, NULL);   ...
 *   sinter_get_kernel(runtime, device, &request, &kernel, &error);
 *   sinter_launch(kernel, &args, sizeof args, stream, &error);
 *
 * Structs that may grow begin with struct_size, which the caller sets: fields are appended, never moved, and what an
 * older caller's struct lacks is taken as zero.
 *
 * Every function that can fail returns a sinter_status and, if `error` is not NULL, stores an error object there that
 * the caller frees with sinter_error_free. On success *error is set to NULL. No exception leaves the library, and it
 * never exits. It prints nothing but its log, to stderr: warnings and errors unless SINTER_LOG says otherwise, and
 * nothing if sinter_options.log takes the messages.
 *
 * Threads: every function may be called from any thread, except destroy, which must come last. Look-ups of live kernels
 * and launches share no lock, whatever the device, the stream or the thread; one runtime serves all devices of a process.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SINTER_API __attribute__((visibility("default")))

typedef enum sinter_status {
  SINTER_OK = 0,
  SINTER_INVALID_REQUEST = 1,      /* no device could ever run this: fix the request */
  SINTER_UNSUPPORTED = 2,          /* this device or arch cannot; the message lists every violated limit */
  SINTER_NOT_PREBUILT = 3,         /* compiling is off and no cache has the kernel */
  SINTER_COMPILER_UNAVAILABLE = 4, /* no compiler for the arch; the message names what was searched */
  SINTER_COMPILE_FAILED = 5,       /* sinter_error_log and sinter_error_source have the details */
  SINTER_TIMEOUT = 6,
  SINTER_DRIVER_ERROR = 7,
  SINTER_CACHE_ERROR = 8,          /* from tools only: a launch never fails because of the cache */
  SINTER_INTERNAL = 9
} sinter_status;

typedef struct sinter_runtime sinter_runtime;
typedef struct sinter_kernel sinter_kernel; /* owned by its runtime, lives as long */
typedef struct sinter_error sinter_error;

SINTER_API const char* sinter_version(void);

/* --- errors ------------------------------------------------------------------------------------------------------ */

SINTER_API sinter_status sinter_error_status(const sinter_error* error);
SINTER_API const char* sinter_error_message(const sinter_error* error); /* one sentence: value, limit, way out */
SINTER_API const char* sinter_error_log(const sinter_error* error);     /* the compiler's output, or "" */
SINTER_API const char* sinter_error_source(const sinter_error* error);  /* the generated source, or "" */
SINTER_API void sinter_error_free(sinter_error* error);                 /* NULL is allowed */

/* --- runtime ------------------------------------------------------------------------------------------------------ */

/* Levels: 0 debug, 1 info, 2 warn, 3 error. Called from any thread. */
typedef void (*sinter_log_fn)(int level, const char* message, void* user);

typedef struct sinter_options {
  uint32_t struct_size;           /* sizeof(sinter_options): later versions append fields */
  uint32_t allow_unsafe_vskip;    /* 1: launch vskip kernels on devices that no sourced row calls safe */
  const char* const* settings;    /* "SINTER_CACHE_DIR=/var/cache/x", ...: go before the environment */
  size_t settings_count;
  sinter_log_fn log;              /* NULL: to stderr, from SINTER_LOG's level on */
  void* log_user;
  uint32_t golden_check;          /* 1: before its first use on a device, a kernel is launched on small random data, and
                                   * refused if its results are wrong (SINTER_UNSUPPORTED); 0: as SINTER_GOLDEN_CHECK says */
  uint32_t reserved;
} sinter_options;

/* `options` may be NULL. Reads the environment once. */
SINTER_API sinter_status sinter_runtime_create(const sinter_options* options, sinter_runtime** runtime, sinter_error** error);
/* No kernel of the runtime may be in use. NULL is allowed. What is built in the background is given up: compiles are
 * ended, and waits for other processes or nodes, which takes less than a second; then a remote tier's answer
 * (SINTER_REMOTE_TIMEOUT_MS) and writes (2 s), and a load into the driver, are waited for where one is under way. */
SINTER_API void sinter_runtime_destroy(sinter_runtime* runtime);

/* Opens a device by name: "host", "cuda:0", "hip:1". Opening it again gives the same number. */
SINTER_API sinter_status sinter_open_device(sinter_runtime* runtime, const char* name, int32_t* device, sinter_error** error);

/* --- requests ----------------------------------------------------------------------------------------------------- */

#define SINTER_MAX_PARAMS 16

/* What kernel is wanted. Plain memory: copy it, keep it, change a value and ask again. Values that are left open are
 * filled in by the library (the tile; vskip "auto"). */
typedef struct sinter_request {
  uint64_t family;
  int64_t values[SINTER_MAX_PARAMS];
} sinter_request;

/* `family`: "grouped_gemm", "grouped_wgrad", "quantize". */
SINTER_API sinter_status sinter_request_init(sinter_request* request, const char* family, sinter_error** error);
/* Names and values as in manifests: ("quant", "fp8_block"), ("tile", "128x128x64"), ("vskip", "off"). */
SINTER_API sinter_status sinter_request_set(sinter_request* request, const char* name, const char* value, sinter_error** error);
SINTER_API sinter_status sinter_request_set_int(sinter_request* request, const char* name, int64_t value, sinter_error** error);

/* --- kernels ------------------------------------------------------------------------------------------------------ */

/* The kernel, ready to launch. Live: a look-up without lock, allocation or string (about 50 ns). Else it comes from the
 * cache or a compiler, is checked against the device, and loaded; that blocks for as long as a compile takes.
 * While the default stream waits for a stream that is being captured into a graph, only live kernels are to be had:
 * nothing is compiled, loaded or allocated in a capture (SINTER_INVALID_REQUEST). */
SINTER_API sinter_status sinter_get_kernel(sinter_runtime* runtime, int32_t device, const sinter_request* request,
                                           const sinter_kernel** kernel, sinter_error** error);

/* Which kernel a request gets on a device, and what chose the parts that it leaves open: "<name>: <source>: <reason>",
 * where source is asked, exact, nearest, same arch (measured rows), heuristic or general (docs/choosing.md). Builds
 * nothing. Writes at most `bytes` bytes with the final 0 to `text`, which may be NULL for 0 bytes; `needed` (may be NULL)
 * gets how many the whole text takes. Allocates, and so is not for every launch. */
SINTER_API sinter_status sinter_explain_choice(sinter_runtime* runtime, int32_t device, const sinter_request* request, char* text,
                                               size_t bytes, size_t* needed, sinter_error** error);

/* What a kernel that is not live may cost the caller. */
typedef enum sinter_policy {
  SINTER_BLOCK = 0,    /* waits for a cache or a compiler: sinter_get_kernel */
  SINTER_FALLBACK = 1, /* a resident kernel that computes the same from the same arguments (another tile), at once; the
                        * one asked for is built behind it, and takes its place in sinter_swap_ready. A build that
                        * failed is begun again by a later call, after a pause of seconds to minutes. Where no such
                        * kernel is resident, or nothing can be built behind it (in a child of fork): as SINTER_BLOCK */
  SINTER_STRICT = 2    /* never compiles: a kernel that no cache has is SINTER_NOT_PREBUILT */
} sinter_policy;

typedef struct sinter_get_options {
  uint32_t struct_size; /* sizeof(sinter_get_options) */
  uint32_t policy;      /* sinter_policy */
  void* stream;         /* that the kernel is wanted for: refused if not live while it is captured; NULL: the default one */
} sinter_get_options;

/* sinter_get_kernel with a policy. `options` may be NULL. */
SINTER_API sinter_status sinter_get_kernel_with(sinter_runtime* runtime, int32_t device, const sinter_request* request,
                                                const sinter_get_options* options, const sinter_kernel** kernel, sinter_error** error);

/* 1 while a stand-in answers for this kernel (SINTER_FALLBACK), else 0. */
SINTER_API int32_t sinter_kernel_stands_in(const sinter_kernel* kernel);

/* Every kernel that a stand-in answers for and that is ready by now answers for itself from here on. Call it where
 * launches may change, between two steps: graphs that were captured before keep the kernel that they captured.
 * `swapped` may be NULL: the number of kernels. Never blocks. */
SINTER_API sinter_status sinter_swap_ready(sinter_runtime* runtime, uint64_t* swapped, sinter_error** error);

/* Starts to build what of the list is not live, in the background and in this order, on as many threads as compiles may
 * run at once. A request that fails is logged and counted; asking for it tells why. */
SINTER_API sinter_status sinter_prefetch(sinter_runtime* runtime, int32_t device, const sinter_request* requests, size_t count,
                                         sinter_error** error);
/* Waits until nothing is built in the background: prefetches, and kernels behind stand-ins. SINTER_TIMEOUT if that takes
 * longer than `timeout_ms`. */
SINTER_API sinter_status sinter_wait_background(sinter_runtime* runtime, uint32_t timeout_ms, sinter_error** error);

/* What a compile is once the host has said that its warm-up is over. sinter_stats counts in all but the first. */
typedef enum sinter_late_compiles {
  SINTER_LATE_ALLOWED = 0, /* the warm-up goes on, or begins again */
  SINTER_LATE_COUNT = 1,
  SINTER_LATE_WARN = 2,    /* one line in the log, too */
  SINTER_LATE_ERROR = 3    /* SINTER_NOT_PREBUILT instead of a compile */
} sinter_late_compiles;
/* `late`: a sinter_late_compiles. */
SINTER_API sinter_status sinter_end_warmup(sinter_runtime* runtime, uint32_t late, sinter_error** error);

/* The spec's name, which is the entry symbol that profilers show; of a stand-in while one answers. */
SINTER_API const char* sinter_kernel_name(const sinter_kernel* kernel);

/* Bytes of the family's argument struct, as this library knows it: for callers of other languages. */
SINTER_API size_t sinter_kernel_args_bytes(const sinter_kernel* kernel);

/* Enqueues one launch on `stream` (CUstream, hipStream_t; NULL: the default stream). On the host device it has finished
 * on return. `args` is the family's argument struct below, copied before return; the grid follows from it.
 * Nothing is allocated, locked or formatted unless the launch is refused. */
SINTER_API sinter_status sinter_launch(const sinter_kernel* kernel, const void* args, size_t args_bytes, void* stream,
                                       sinter_error** error);

/* One launch in the caller's memory: checked, and in the form that the driver takes. All zeros: nothing is packed yet.
 * Of one runtime, and for one thread at a time; a copy elsewhere is as good. */
typedef struct sinter_packed {
  unsigned char bytes[1920];
} __attribute__((aligned(64))) sinter_packed;

/* sinter_launch for launches that repeat. With the arguments that `packed` holds already it is a compare and the
 * driver's call: nothing is checked or encoded again. With others, or for another kernel, it packs them first (the
 * checks, and one address in each tensor map). Keep one `packed` per place of the program that launches. */
SINTER_API sinter_status sinter_kernel_launch(const sinter_kernel* kernel, const void* args, size_t args_bytes, sinter_packed* packed,
                                              void* stream, sinter_error** error);

/* The same as sinter_launch, after checking that each buffer is as large as the kernel's declared footprint. `buffer_bytes` has one size
 * per field of the argument struct, in order; UINT64_MAX leaves one unchecked. */
SINTER_API sinter_status sinter_launch_checked(const sinter_kernel* kernel, const void* args, size_t args_bytes, void* stream,
                                               const uint64_t* buffer_bytes, size_t buffer_count, sinter_error** error);

/* --- argument structs --------------------------------------------------------------------------------------------- */

/* grouped_gemm: d[r, :] = a[r, :] * b[g]^T for row_offsets[g] <= r < row_offsets[g + 1]. Row-major, contiguous device
 * pointers, 16-byte aligned (scales, offsets and bias: 4). Offsets out of range or decreasing are clamped; rows of no
 * group are left untouched. */
typedef struct sinter_grouped_gemm_args {
  const void* a;              /* [rows, K] of d's type, or e4m3 in the modes fp8_block and fp8_token */
  const void* b;              /* [groups, N, K] of a's type; b_layout kn: [groups, K, N];
                                 b_tensors separate: pointers [groups], on the device */
  void* d;                    /* [rows, N] bf16 or fp16 (dtype); epilogue swiglu: [rows, N / 2] */
  const float* a_scale;       /* fp8_block: [rows, ceil(K / 128)]; fp8_token: [rows]; else NULL */
  const float* b_scale;       /* fp8_block: [groups, ceil(N / 128), ceil(K / 128)]; fp8_token: [groups, N]; else NULL */
  const int32_t* row_offsets; /* [groups + 1], on the device */
  int64_t rows;               /* below 2^31 */
  const void* bias;           /* epilogue bias: [groups, N] of d's type; else NULL */
} sinter_grouped_gemm_args;

/* grouped_wgrad: dw[g] = dy_g^T * x_g, the sum over the rows of group g; added to dw with output add_f32. dw of a group
 * without rows becomes zeros, or is left as it is with add_f32. Pointers, alignment and offsets as above. */
typedef struct sinter_grouped_wgrad_args {
  const void* dy;             /* [rows, N] bf16 or fp16 (dtype) */
  const void* x;              /* [rows, K], the same type */
  void* dw;                   /* [groups, N, K] fp32 (output add_f32, f32) or the same type (output same);
                                 dw_tensors separate: pointers [groups], on the device */
  const int32_t* row_offsets; /* [groups + 1], on the device */
  int64_t rows;               /* below 2^31 */
} sinter_grouped_wgrad_args;

/* quantize: q = e4m3(x / scale), one scale per row and 128 columns. */
typedef struct sinter_quantize_args {
  const void* x; /* [rows, K] bf16 */
  void* q;       /* [rows, K] e4m3 (OCP) */
  float* scale;  /* [rows, ceil(K / 128)] */
  int64_t rows;  /* below 2^31 */
} sinter_quantize_args;

/* --- counters ----------------------------------------------------------------------------------------------------- */

typedef struct sinter_stats {
  uint32_t struct_size; /* set by the caller: sizeof(sinter_stats) */
  uint32_t reserved;
  int64_t memory_hits, local_hits, misses, bad_entries, storage_faults, compiles, failed_compiles, refused;
  int64_t bundle_hits;
  int64_t late_compiles;       /* after the end of the warm-up, those that were refused for it included */
  int64_t late_loads;          /* of kernels that a cache had, after the end of the warm-up */
  int64_t stand_ins, swaps;    /* kernels that a stand-in answered for, and how many of them took its place */
  int64_t background;          /* builds that wait or run now */
  int64_t background_failures; /* builds that nobody waited for and that failed */
} sinter_stats;

/* Fills as much of the struct as struct_size says. SINTER_INVALID_REQUEST for a NULL argument, or for a struct_size below
 * that of the first version (72). */
SINTER_API sinter_status sinter_get_stats(const sinter_runtime* runtime, sinter_stats* stats);

/* The counters above and histograms of times (look-ups, waits for a compiler, compiles, loads) in Prometheus' text format,
 * version 0.0.4. Writes what fits into `capacity` bytes, the last of them a NUL, and stores the length of the whole text:
 * ask with a capacity of 0 first. SINTER_INVALID_REQUEST for a NULL argument; `buffer` may be NULL if `capacity` is 0. */
SINTER_API sinter_status sinter_metrics_text(const sinter_runtime* runtime, char* buffer, size_t capacity, size_t* length);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* SINTER_SINTER_H_ */
