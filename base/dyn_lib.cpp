// SPDX-License-Identifier: Apache-2.0
#include "base/dyn_lib.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>

namespace sinter {
namespace {

/// dlerror() is per thread and cleared by reading it.
std::string linker_message() {
  const char* message = ::dlerror();
  return message != nullptr ? message : "the dynamic linker gives no reason";
}

std::string loaded_path(void* handle, const std::string& name) {
  const link_map* map = nullptr;
  if (::dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || map == nullptr || map->l_name[0] == '\0') {
    return name;
  }
  return map->l_name;
}

}  // namespace

Result<DynLib> DynLib::open(const std::string& name, Mode mode) {
  // Local: nothing that is loaded later may bind to a vendor's symbols by accident.
  const int flags = RTLD_NOW | RTLD_LOCAL | (mode == Mode::kLoadedOnly ? RTLD_NOLOAD : 0);
  void* handle = ::dlopen(name.c_str(), flags);
  if (handle == nullptr) {
    return make_error(ErrorCode::kDriverError, mode == Mode::kLoadedOnly ? fmt::format("{} is not loaded", name)
                                                                         : linker_message());
  }
  return DynLib(handle, loaded_path(handle, name));
}

Result<DynLib> DynLib::open_first(std::span<const std::string> names) {
  std::string problems;
  for (const std::string& name : names) {
    auto library = open(name);
    if (library) {
      return library;
    }
    problems += problems.empty() ? "" : "; ";
    problems += library.error().message;
  }
  return make_error(ErrorCode::kDriverError, problems.empty() ? "no library was named" : problems);
}

Result<void> DynLib::bind(std::initializer_list<DynSymbol> symbols) const {
  for (const DynSymbol& symbol : symbols) {
    void* address = ::dlsym(handle_, symbol.name());
    if (address == nullptr && symbol.presence() == DynSymbol::Presence::kRequired) {
      return make_error(ErrorCode::kDriverError,
                        fmt::format("{} has no function {}: it is too old, too new or not what its name says", path_,
                                    symbol.name()));
    }
    symbol.assign(address);
  }
  return {};
}

}  // namespace sinter
