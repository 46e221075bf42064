// SPDX-License-Identifier: Apache-2.0
#pragma once

// Libraries that are found at run time: vendors' drivers and compilers. Their functions are bound through tables that
// name the first one a library lacks, so that a too old library says so when it is opened and not when it is called.

#include <initializer_list>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"

namespace sinter {

/// One function to look up: its exported name and the typed pointer that receives its address.
class DynSymbol {
 public:
  enum class Presence { kRequired, kOptional };

  template <class Function>
  DynSymbol(const char* name, Function** slot, Presence presence = Presence::kRequired)
      : name_(name), presence_(presence), slot_(slot), assign_([](void* target, void* address) {
          *static_cast<Function**>(target) = reinterpret_cast<Function*>(address);
        }) {}

  const char* name() const { return name_; }
  Presence presence() const { return presence_; }
  void assign(void* address) const { assign_(slot_, address); }

 private:
  const char* name_;
  Presence presence_;
  void* slot_;
  void (*assign_)(void*, void*);
};

/// An open library. It stays loaded until the process ends: the vendors' libraries keep threads, thread-local storage
/// and exit handlers that do not survive dlclose. Copies are the same library. Thread-safe.
class DynLib {
 public:
  enum class Mode {
    kLoad,        ///< Load it if need be.
    kLoadedOnly,  ///< Only if something has loaded it before.
  };

  /// Opens `name`: a path, or a bare file name that the dynamic linker looks for (LD_LIBRARY_PATH, system directories).
  /// Errors: kDriverError with the linker's own words.
  static Result<DynLib> open(const std::string& name, Mode mode = Mode::kLoad);

  /// Opens the first of `names` that opens. Errors: kDriverError that has the linker's words for each.
  static Result<DynLib> open_first(std::span<const std::string> names);

  /// Looks up every symbol. A missing optional one sets its pointer to null.
  /// Errors: kDriverError naming the first missing required symbol and the library; earlier pointers are then set.
  Result<void> bind(std::initializer_list<DynSymbol> symbols) const;

  /// The file that was loaded, as the dynamic linker knows it.
  const std::string& path() const { return path_; }

 private:
  DynLib(void* handle, std::string path) : handle_(handle), path_(std::move(path)) {}

  void* handle_;
  std::string path_;
};

}  // namespace sinter
