// SPDX-License-Identifier: Apache-2.0
#include "tools/worker_llvm/elf_linker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <lld/Common/Driver.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/raw_ostream.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

LLD_HAS_DRIVER(elf)

namespace sinter {
namespace {

/// A descriptor that is closed at the end, and its name in the file system.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  void reset() {
    if (fd_ >= 0) {
      ::close(std::exchange(fd_, -1));
    }
  }
  int get() const { return fd_; }
  std::string path() const { return fmt::format("/proc/self/fd/{}", fd_); }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno != EINTR) {
      return false;
    }
    text.remove_prefix(static_cast<std::size_t>(written < 0 ? 0 : written));
  }
  return true;
}

std::vector<std::byte> read_to_end(int fd) {
  std::vector<std::byte> content;
  std::array<std::byte, 65536> buffer;
  for (;;) {
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size <= 0) {
      return content;
    }
    content.insert(content.end(), buffer.begin(), buffer.begin() + size);
  }
}

std::vector<const char*> linker_arguments(Vendor vendor, const std::string& output, const std::string& input) {
  std::vector<const char*> arguments{"ld.lld", "--threads=1", "-shared", "--no-undefined", "-o", output.c_str(),
                                     input.c_str()};
  if (vendor == Vendor::kAmd) {
    arguments.insert(arguments.end(), {"-m", "elf64_amdgpu"});
  } else {
    arguments.insert(arguments.end(), {"-m", "elf_x86_64", "-z", "now", "-z", "noexecstack", "--strip-all"});
  }
  return arguments;
}

Error out_of_descriptors() {
  return make_error(ErrorCode::kInternal, fmt::format("no descriptors for the linker: {}", std::strerror(errno)));
}

}  // namespace

// lld takes paths. The object goes in as a memfd. Its output cannot be one, since lld renames a temporary file over
// regular files; a pipe it writes in one piece, which a thread collects.
Result<std::vector<std::byte>> link_elf(Vendor vendor, std::string_view object, std::string& log) {
  const Descriptor input(::memfd_create("kernel.o", MFD_CLOEXEC));
  if (input.get() < 0 || !write_all(input.get(), object)) {
    return out_of_descriptors();
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return out_of_descriptors();
  }
  const Descriptor read_end(ends[0]);
  Descriptor write_end(ends[1]);

  std::vector<std::byte> linked;
  std::thread reader([&] { linked = read_to_end(read_end.get()); });
  const std::string input_path = input.path();
  const std::string output_path = write_end.path();
  llvm::raw_string_ostream log_stream(log);
  const lld::Result result = lld::lldMain(linker_arguments(vendor, output_path, input_path), log_stream, log_stream,
                                          {{lld::Gnu, &lld::elf::link}});
  write_end.reset();
  reader.join();
  if (!result.canRunAgain) {
    llvm::report_fatal_error("lld crashed");
  }
  if (result.retCode != 0 || linked.empty()) {
    return make_error(ErrorCode::kCompileFailed, fmt::format("the linker failed (status {})", result.retCode));
  }
  return linked;
}

}  // namespace sinter
