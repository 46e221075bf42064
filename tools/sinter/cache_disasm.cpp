// SPDX-License-Identifier: Apache-2.0

// sinter cache disasm KEY: the kernel's instructions. AMD's and the host's by LLVM in a worker, PTX as it is, SASS by
// NVIDIA's own tools where they are installed.

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/descriptor.h"
#include "base/file.h"
#include "tools/sinter/cache_commands.h"
#include "tools/sinter/cache_view.h"

namespace sinter::cli {

namespace {

using nlohmann::ordered_json;

struct DisasmCommand {
  CommonOptions common;
  std::string key, bundle;
};

struct Listing {
  std::string text;
  std::string by;  ///< "LLVM", "nvdisasm", ...
};

/// A file that is gone at the end of its scope.
class TemporaryFile {
 public:
  static Result<TemporaryFile> write(const std::vector<std::byte>& bytes) {
    std::error_code ignored;
    std::string path = (std::filesystem::temp_directory_path(ignored) / "sinter-disasm-XXXXXX").string();
    const Descriptor file(::mkstemp(path.data()));
    if (!file.is_open() || ::write(file.get(), bytes.data(), bytes.size()) != std::ssize(bytes)) {
      return make_error(ErrorCode::kInternal,
                        fmt::format("cannot write the code object to {}: {}", path, errno_text(errno)));
    }
    return TemporaryFile(std::move(path));
  }
  ~TemporaryFile() {
    if (!path_.empty()) {
      ::unlink(path_.c_str());
    }
  }
  TemporaryFile(TemporaryFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

/// What the program writes to its standard output; nullopt if it cannot be started or fails.
std::optional<std::string> output_of(const std::string& program, const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return std::nullopt;
  }
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to.get(), STDOUT_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  to = Descriptor();
  if (error != 0) {
    return std::nullopt;
  }
  std::string output;
  char buffer[65536];
  for (ssize_t got = 1; got > 0 || (got < 0 && errno == EINTR);) {
    got = ::read(from.get(), buffer, sizeof buffer);
    output.append(buffer, static_cast<std::size_t>(std::max<ssize_t>(0, got)));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? std::optional(std::move(output)) : std::nullopt;
}

Result<Listing> disassemble_sass(const CacheEntry& entry) {
  SINTER_TRY(const TemporaryFile file, TemporaryFile::write(entry.object.code));
  struct Tool {
    std::string program;
    std::vector<std::string> arguments;
  };
  // By PATH, then where the CUDA toolkit's own packages put it.
  const Tool tools[] = {{"nvdisasm", {"-c", file.path()}},
                        {"cuobjdump", {"-sass", file.path()}},
                        {"/usr/local/cuda/bin/nvdisasm", {"-c", file.path()}},
                        {"/usr/local/cuda/bin/cuobjdump", {"-sass", file.path()}}};
  for (const Tool& tool : tools) {
    if (auto text = output_of(tool.program, tool.arguments)) {
      return Listing{std::move(*text), tool.program};
    }
  }
  return make_error(ErrorCode::kCompilerUnavailable,
                    fmt::format("{} is machine code of {} and only NVIDIA's tools can read it; neither nvdisasm nor "
                                "cuobjdump was found on PATH or in "
                                "/usr/local/cuda/bin, or neither could read it: install the CUDA toolkit's "
                                "cuda-nvdisasm, or write the file out with `sinter "
                                "cache show {} --code-object k.cubin` and read it elsewhere",
                                entry.info.key.substr(0, 12), entry.info.arch, entry.info.key.substr(0, 12)));
}

Result<Listing> disassemble(const DisasmCommand& options, const CacheEntry& entry) {
  const CodeObject& object = entry.object;
  switch (object.format) {
    case CodeFormat::kPtx:
      return Listing{std::string(reinterpret_cast<const char*>(object.code.data()), object.code.size()),
                     "the driver's compiler: PTX is text"};
    case CodeFormat::kCubin: return disassemble_sass(entry);
    case CodeFormat::kSharedObject:
    case CodeFormat::kHsaco: break;
  }
  SINTER_TRY(const auto runtime, make_runtime(options.common));
  SINTER_TRY(protocol::InspectReply reply,
             runtime->compile_service().workers().inspect(object.format, object.entry, object.code));
  if (reply.disassembly.empty()) {
    return make_error(ErrorCode::kCompilerUnavailable,
                      fmt::format("there is no disassembler for {} here: install sinter-worker-llvm beside "
                                  "sinter-worker, or write the file out with `sinter "
                                  "cache show {} --code-object k.o` and read it with llvm-objdump -d",
                                  entry.info.arch, entry.info.key.substr(0, 12)));
  }
  return Listing{std::move(reply.disassembly), "LLVM"};
}

int disasm(const DisasmCommand& options) {
  const bool json = options.common.json;
  const auto read = [&]() -> Result<CacheEntry> {
    SINTER_TRY(CacheAdmin cache, open_cache(options.common, options.bundle));
    SINTER_TRY(CacheEntry entry, cache.show(options.key));
    // A disassembler is no place for bytes that nobody vouches for.
    if (!entry.problem.empty()) {
      return make_error(ErrorCode::kCacheError,
                        fmt::format("the entry {} is damaged: {}", entry.info.key, entry.problem));
    }
    return entry;
  };
  const auto entry = read();
  if (!entry) {
    return fail(entry.error(), json);
  }
  const auto listing = disassemble(options, *entry);
  if (!listing) {
    return fail(listing.error(), json);
  }
  if (json) {
    fmt::print("{}\n", dump({{"key", entry->info.key},
                             {"spec", entry->info.spec},
                             {"format", entry->info.format},
                             {"entry", entry->object.entry},
                             {"by", listing->by},
                             {"text", listing->text}}));
  } else {
    fmt::print("{}{}", listing->text, listing->text.ends_with('\n') ? "" : "\n");
  }
  return kGood;
}

}  // namespace

void add_cache_disasm(CLI::App& cache, int& status) {
  auto options = std::make_shared<DisasmCommand>();
  CLI::App* command = cache.add_subcommand(
      "disasm", "The instructions of one kernel: AMD and host code, PTX, and SASS where NVIDIA's tools are");
  command->add_option("key", options->key, "its key, or the first digits of it")->required();
  command->add_option("--from", options->bundle, "a bundle instead of the cache")->type_name("FILE");
  add_common_options(*command, options->common);
  command->callback([options, &status] { status = disasm(*options); });
}

}  // namespace sinter::cli
