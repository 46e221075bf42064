// SPDX-License-Identifier: Apache-2.0
#include "tools/sinter/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json_guard.h"

namespace sinter {

namespace {

using nlohmann::json;

// The format's own limit.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::size_t kLengthBytes = 8;

Error bad_file(const std::string& path, std::string_view why) {
  return make_error(ErrorCode::kInvalidRequest, fmt::format("'{}' is not a valid safetensors file: {}", path, why));
}

Error no_write(const std::string& path, int error) {
  return make_error(ErrorCode::kInvalidRequest, fmt::format("cannot write '{}': {}", path, std::strerror(error)));
}

Result<json> parse_header(std::string_view text, const std::string& path) {
  JsonGuard<json> guard;
  try {
    json header = json::parse(text, guard.callback());
    if (!guard.problem().empty()) {
      return bad_file(path, guard.problem());
    }
    if (!header.is_object()) {
      return bad_file(path, "the header is not a JSON object");
    }
    return header;
  } catch (const json::exception& error) {
    return bad_file(path, fmt::format("its header is not JSON: {}", error.what()));
  }
}

struct Entry {
  TensorInfo info;
  std::uint64_t begin = 0, end = 0;
};

bool is_count(const json& value) { return value.is_number_unsigned(); }

Result<Entry> parse_entry(const std::string& path, std::string_view name, const json& value) {
  const auto bad = [&](std::string_view why) { return bad_file(path, fmt::format("tensor '{}': {}", name, why)); };
  if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") || !value.contains("data_offsets") || value.size() != 3) {
    return bad("it must have exactly dtype, shape and data_offsets");
  }
  const json &dtype = value["dtype"], &shape = value["shape"], &offsets = value["data_offsets"];
  if (!dtype.is_string() || dtype_bytes(dtype.get_ref<const std::string&>()) == 0) {
    return bad(fmt::format("unknown dtype {}", dtype.dump()));
  }
  if (!shape.is_array() || !std::ranges::all_of(shape, is_count)) {
    return bad("shape must be an array of counts");
  }
  if (!offsets.is_array() || offsets.size() != 2 || !is_count(offsets[0]) || !is_count(offsets[1])) {
    return bad("data_offsets must be two counts");
  }
  Entry entry{{name, dtype.get<std::string>(), {}}, offsets[0].get<std::uint64_t>(), offsets[1].get<std::uint64_t>()};
  std::uint64_t bytes = dtype_bytes(entry.info.dtype);
  for (const json& side : shape) {
    const auto size = side.get<std::uint64_t>();
    if (size > INT64_MAX || __builtin_mul_overflow(bytes, size, &bytes)) {
      return bad("its shape overflows");
    }
    entry.info.shape.push_back(static_cast<std::int64_t>(size));
  }
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
    return bad(fmt::format("data_offsets [{}, {}] do not hold {} bytes, which its shape and dtype need", entry.begin, entry.end, bytes));
  }
  return entry;
}

}  // namespace

struct SafetensorsFile::State {
  std::deque<std::string> names;  // TensorInfo::name points here; a deque never moves its elements
  std::vector<TensorView> tensors;
  void* mapping = nullptr;
  std::size_t mapped_bytes = 0;

  ~State() {
    if (mapping != nullptr) {
      ::munmap(mapping, mapped_bytes);
    }
  }
};

SafetensorsFile::SafetensorsFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;
SafetensorsFile::~SafetensorsFile() = default;

std::span<const TensorView> SafetensorsFile::tensors() const { return state_->tensors; }

Result<SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes, const std::string& path) {
  if (bytes.size() < kLengthBytes) {
    return bad_file(path, fmt::format("it has {} bytes; the header length alone takes 8", bytes.size()));
  }
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  if (header_bytes > kMaxHeaderBytes || header_bytes > bytes.size() - kLengthBytes) {
    return bad_file(path, fmt::format("it claims a header of {} bytes, but {} follow", header_bytes, bytes.size() - kLengthBytes));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes, header_bytes);
  const std::span<const std::byte> data = bytes.subspan(kLengthBytes + header_bytes);
  SINTER_TRY(const json header, parse_header(text, path));

  auto state = std::make_unique<State>();
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      continue;
    }
    state->names.push_back(name);
    SINTER_TRY(Entry entry, parse_entry(path, state->names.back(), value));
    if (entry.end > data.size()) {
      return bad_file(path, fmt::format("tensor '{}' ends at byte {} of the data, which has {}", name, entry.end, data.size()));
    }
    entries.push_back(std::move(entry));
  }
  std::ranges::stable_sort(entries, {}, [](const Entry& entry) { return std::pair(entry.begin, entry.end); });
  std::uint64_t expected = 0;
  for (Entry& entry : entries) {
    if (entry.begin != expected) {
      return bad_file(path, fmt::format("tensor '{}' starts at byte {} of the data; {} was expected (no overlap, no hole)", entry.info.name,
                                        entry.begin, expected));
    }
    expected = entry.end;
    // The mapping is private and read-only; the view's pointer is not const because outputs use the same type.
    auto* begin = const_cast<std::byte*>(data.data()) + entry.begin;
    state->tensors.push_back({std::move(entry.info), begin, entry.end - entry.begin});
  }
  if (expected != data.size()) {
    return bad_file(path, fmt::format("{} bytes of data belong to no tensor", data.size() - expected));
  }
  return SafetensorsFile(std::move(state));
}

Result<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  const auto no_read = [&](int error) { return make_error(ErrorCode::kInvalidRequest, fmt::format("cannot read '{}': {}", path, std::strerror(error))); };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return no_read(errno);
  }
  struct stat info {};
  const bool is_file = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  const auto bytes = static_cast<std::size_t>(info.st_size);
  if (!is_file || bytes < kLengthBytes) {
    ::close(fd);
    return bad_file(path, is_file ? fmt::format("it has {} bytes; the header length alone takes 8", bytes) : "it is not a regular file");
  }
  void* mapping = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  const int map_error = errno;
  ::close(fd);
  if (mapping == MAP_FAILED) {
    return no_read(map_error);
  }
  auto file = parse({static_cast<const std::byte*>(mapping), bytes}, path);
  if (!file) {
    ::munmap(mapping, bytes);
    return file;
  }
  file->state_->mapping = mapping;
  file->state_->mapped_bytes = bytes;
  return file;
}

Result<void> write_safetensors(const std::string& path, std::span<const TensorView> tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  std::uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    header[std::string(tensor.info.name)] = {{"dtype", tensor.info.dtype}, {"shape", tensor.info.shape}, {"data_offsets", {offset, offset + tensor.bytes}}};
    offset += tensor.bytes;
  }
  std::string text = header.dump();
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');  // the format asks for aligned data
  const auto header_bytes = static_cast<std::uint64_t>(text.size());

  const std::string temporary = fmt::format("{}.{}.tmp", path, ::getpid());
  std::FILE* out = std::fopen(temporary.c_str(), "wbxe");
  if (out == nullptr) {
    return no_write(path, errno);
  }
  bool good = std::fwrite(&header_bytes, sizeof header_bytes, 1, out) == 1 && std::fwrite(text.data(), 1, text.size(), out) == text.size();
  for (const TensorView& tensor : tensors) {
    good = good && (tensor.bytes == 0 || std::fwrite(tensor.data, 1, tensor.bytes, out) == tensor.bytes);
  }
  good = std::fflush(out) == 0 && good;
  int error = errno;
  if (std::fclose(out) != 0 || !good || std::rename(temporary.c_str(), path.c_str()) != 0) {
    error = good ? errno : error;
    ::unlink(temporary.c_str());
    return no_write(path, error);
  }
  return {};
}

}  // namespace sinter
