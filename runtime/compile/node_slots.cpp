// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/node_slots.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

#include "base/file.h"
#include "runtime/compile/patience.h"

namespace sinter {
namespace {

using Kind = LockFile::Kind;

constexpr std::string_view kBusyFile = "sinter.compiling";
constexpr std::string_view kWarmFile = "sinter.warm";

// Bytes of kBusyFile: the places from 0, and two above all of them.
/// Held shared by each compile, exclusively by one that is alone.
constexpr std::int64_t kCompanyByte = 1 << 20;
/// Held exclusively by who waits to be alone, so that newcomers do not starve it.
constexpr std::int64_t kDoorByte = kCompanyByte + 1;

/// What all compiles tick: somebody on the node makes progress.
constexpr std::uint64_t kProgressCounter = 0;

/// The directory of the run is made here; what is there already must be ours and no link.
Result<void> prepare_directory(const std::string& directory) {
  SINTER_TRY_VOID(make_private_directories(directory));
  struct stat info {};
  if (::lstat(directory.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) {
    return make_error(ErrorCode::kCacheError, fmt::format("{} is a link; set SINTER_RUN_DIR", directory));
  }
  return check_private_directory(directory);
}

}  // namespace

void NodeSlot::tick() {
  if (file_) {
    file_->tick(kProgressCounter);
  }
}

NodeSlots::NodeSlots(Options options, std::function<void(std::string)> on_problem)
    : options_(std::move(options)), on_problem_(std::move(on_problem)) {}

NodeSlot NodeSlots::enter(Company company, const CompileWatch& watch) {
  if (options_.directory.empty()) {
    return {};
  }
  auto file = open();
  if (!file) {
    complain(file.error());
    return {};
  }
  Patience patience(options_.patience);
  for (;;) {
    const auto entered = company == Company::kShared ? try_enter(*file) : try_enter_alone(*file);
    if (!entered) {
      complain(entered.error());
      return {};
    }
    if (*entered) {
      return NodeSlot(std::move(*file));
    }
    if (company == Company::kAlone && patience.slept() >= options_.alone_patience) {
      return {};
    }
    watch.tell_progress();
    if (watch.is_stopped() || !patience.wait(file->counter(kProgressCounter))) {
      return {};
    }
  }
}

std::string NodeSlots::warm_file() {
  return options_.directory.empty() || !prepare_directory(options_.directory)
             ? std::string()
             : fmt::format("{}/{}", options_.directory, kWarmFile);
}

Result<LockFile> NodeSlots::open() {
  SINTER_TRY_VOID(prepare_directory(options_.directory));
  return LockFile::open(fmt::format("{}/{}", options_.directory, kBusyFile));
}

Result<bool> NodeSlots::try_enter(LockFile& file) const {
  SINTER_TRY(const bool at_door, file.try_lock(kDoorByte, Kind::kShared));
  if (!at_door) {
    return false;
  }
  auto has_company = file.try_lock(kCompanyByte, Kind::kShared);
  file.unlock(kDoorByte);
  if (!has_company || !*has_company) {
    return has_company;
  }
  auto entered = file.try_lock_one_of(0, options_.places);
  if (!entered || !*entered) {
    file.unlock(kCompanyByte);
  }
  return entered;
}

// The door stays locked between two tries, and for as long as the compile is alone.
Result<bool> NodeSlots::try_enter_alone(LockFile& file) const {
  SINTER_TRY(const bool at_door, file.try_lock(kDoorByte, Kind::kExclusive));
  return at_door ? file.try_lock(kCompanyByte, Kind::kExclusive) : Result<bool>(false);
}

void NodeSlots::complain(const Error& error) {
  if (!has_complained_.exchange(true) && on_problem_) {
    on_problem_(fmt::format("{}; this process's compiles do not count with those of others on this node",
                            error.message));
  }
}

}  // namespace sinter
