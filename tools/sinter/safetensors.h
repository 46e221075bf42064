// SPDX-License-Identifier: Apache-2.0
#pragma once

// The safetensors file format: an 8-byte little-endian header length, a JSON header, the data. Reading trusts nothing in
// the file; writing publishes a complete file or none.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codegen/families/tensors.h"
#include "codegen/family.h"

namespace sinter {

/// A mapped file. The views point into it and live as long.
class SafetensorsFile {
 public:
  /// Errors: kInvalidRequest naming the file, the tensor and what is wrong: sizes that lie, overlaps, unknown dtypes, ...
  static Result<SafetensorsFile> open(const std::string& path);
  /// The same checks over bytes that the caller keeps; `name` is for messages.
  static Result<SafetensorsFile> parse(std::span<const std::byte> bytes, const std::string& name);

  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
  ~SafetensorsFile();

  /// In the order of their data. `data` is not to be written through.
  std::span<const TensorView> tensors() const;

 private:
  struct State;
  explicit SafetensorsFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Writes to a temporary beside `path` and renames it. Errors: kInvalidRequest with the path and why.
Result<void> write_safetensors(const std::string& path, std::span<const TensorView> tensors);

}  // namespace sinter
