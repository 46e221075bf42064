// SPDX-License-Identifier: Apache-2.0

// Tensor files: every accepted tensor lies in the file, no two overlap, what is written from them reads the same, and
// their shapes make a request of each family or a refusal. An odd first byte lets the target write the header's length,
// so that the header can change its size.

#include <unistd.h>

#include <set>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/support/temporary_directory.h"
#include "tools/sinter/safetensors.h"

using namespace sinter;

namespace {

/// A header up to the first zero byte, and the data behind it.
std::vector<std::byte> with_length(std::span<const std::byte> parts) {
  const auto end = std::find(parts.begin(), parts.end(), std::byte{0});
  const std::uint64_t header_bytes = static_cast<std::uint64_t>(end - parts.begin());
  std::vector<std::byte> file(sizeof header_bytes);
  std::memcpy(file.data(), &header_bytes, sizeof header_bytes);
  file.insert(file.end(), parts.begin(), end);
  file.insert(file.end(), end == parts.end() ? end : end + 1, parts.end());
  return file;
}

void check_same(std::span<const TensorView> tensors, const Result<SafetensorsFile>& file) {
  SINTER_CHECK(file && file->tensors().size() == tensors.size(), "a file that was written is refused");
  for (const TensorView& tensor : tensors) {
    const auto found =
        std::ranges::find_if(file->tensors(), [&](const TensorView& t) { return t.info.name == tensor.info.name; });
    SINTER_CHECK(found != file->tensors().end() && found->info.dtype == tensor.info.dtype &&
                     found->info.shape == tensor.info.shape && found->bytes == tensor.bytes &&
                     std::equal(tensor.data, tensor.data + tensor.bytes, found->data),
                 "a tensor changes between writing and reading");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TemporaryDirectory directory;
  const auto input = fuzz::bytes_of(data, size);
  const bool measured = size > 0 && (data[0] & 1) != 0;
  const std::vector<std::byte> bytes = measured
                                           ? with_length(input.subspan(1))
                                           : std::vector<std::byte>(input.begin() + (size > 0 ? 1 : 0), input.end());
  const auto file = SafetensorsFile::parse(bytes, "input");
  if (!file) {
    fuzz::check_refusal(file.error(), {ErrorCode::kInvalidRequest});
    return 0;
  }
  std::set<std::string_view> names;
  std::vector<TensorInfo> infos;
  const std::byte* end = bytes.data();
  for (const TensorView& tensor : file->tensors()) {
    SINTER_CHECK(tensor.bytes == 0 || (tensor.data >= end && tensor.data + tensor.bytes <= bytes.data() + bytes.size()),
                 "a tensor outside of the file or over another");
    std::uint64_t count = 1;
    for (const std::int64_t side : tensor.info.shape) {
      count *= static_cast<std::uint64_t>(side);
    }
    SINTER_CHECK(tensor.bytes == count * dtype_bytes(tensor.info.dtype), "a tensor of another size than its shape");
    SINTER_CHECK(names.insert(tensor.info.name).second, "two tensors of one name");
    end = tensor.bytes == 0 ? end : tensor.data + tensor.bytes;
    infos.push_back(tensor.info);
  }
  for (std::size_t i = 0; i < all_families().size(); ++i) {
    KernelRequest request;
    request.family = i;
    if (const auto made = all_families()[i]->request_from_tensors(request, infos); !made) {
      fuzz::check_refusal(made.error(), {ErrorCode::kInvalidRequest});
    }
  }
  if (!file->tensors().empty()) {
    const std::string path = directory.path() + "/tensors";
    SINTER_CHECK(write_safetensors(path, file->tensors()), "write");
    check_same(file->tensors(), SafetensorsFile::open(path));
  }
  return 0;
}
