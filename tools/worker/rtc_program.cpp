// SPDX-License-Identifier: Apache-2.0
#include "tools/worker/rtc_program.h"

#include <fmt/format.h>

// Header-only, so that the worker needs no library of it.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <memory>
#include <type_traits>

namespace sinter {
namespace {

/// What __FILE__ and error messages name. Fixed: it must not differ between machines.
constexpr const char* kProgramName = "kernel.cu";

using SizeFunction = int (*)(RtcHandle, std::size_t*);
using BytesFunction = int (*)(RtcHandle, char*);

/// The library's text or code through its pair of functions; empty if either fails.
template <class Container>
Container get_bytes(RtcHandle program, SizeFunction get_size, BytesFunction get) {
  std::size_t size = 0;
  if (get_size(program, &size) != 0 || size == 0) {
    return {};
  }
  Container bytes(size, typename Container::value_type{});
  if (get(program, reinterpret_cast<char*>(bytes.data())) != 0) {
    return {};
  }
  return bytes;
}

std::vector<const char*> pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> result;
  for (const std::string& text : texts) {
    result.push_back(text.c_str());
  }
  return result;
}

}  // namespace

RtcOutput compile_rtc(const RtcFunctions& functions, const protocol::CompileRequest& request,
                      const std::vector<std::string>& options, RtcProduct product) {
  std::vector<const char*> header_texts, header_names;
  for (const protocol::NamedText& header : request.headers) {
    header_texts.push_back(header.text.c_str());
    header_names.push_back(header.name.c_str());
  }
  RtcOutput output;
  RtcHandle handle = nullptr;
  int result = functions.create(&handle, request.source.c_str(), kProgramName, static_cast<int>(header_texts.size()),
                                header_texts.data(), header_names.data());
  if (result != 0) {
    output.error = fmt::format("the compiler could not take the source: {}", functions.error_string(result));
    return output;
  }
  const auto destroy = [&](RtcHandle* program) { functions.destroy(program); };
  const std::unique_ptr<RtcHandle, decltype(destroy)> owner(&handle, destroy);

  const std::vector<const char*> option_pointers = pointers(options);
  result = functions.compile(handle, static_cast<int>(option_pointers.size()), option_pointers.data());
  output.log = get_bytes<std::string>(handle, functions.log_size, functions.log);
  output.log.erase(output.log.find_last_not_of(std::string("\0\n", 2)) + 1);
  if (result != 0) {
    output.error = fmt::format("the compiler says {}", functions.error_string(result));
    return output;
  }
  using Bytes = std::vector<std::byte>;
  output.code = product == RtcProduct::kPtx ? get_bytes<Bytes>(handle, functions.ptx_size, functions.ptx)
                                            : get_bytes<Bytes>(handle, functions.code_size, functions.code);
  if (product == RtcProduct::kCodeAndPtx) {
    output.ptx = get_bytes<Bytes>(handle, functions.ptx_size, functions.ptx);
  }
  if (output.code.empty()) {
    output.error = "the compiler reported success and gave no code";
  }
  return output;
}

std::string probe_digest(const std::vector<std::vector<std::byte>>& outputs) {
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  for (const std::vector<std::byte>& output : outputs) {
    const std::uint64_t size = output.size();
    XXH3_128bits_update(&state, &size, sizeof(size));
    XXH3_128bits_update(&state, output.data(), output.size());
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace sinter
