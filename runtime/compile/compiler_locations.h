// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where compilers are on this machine: the worker programs of Sinter, and the vendors' libraries that they open.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/settings.h"

namespace sinter {

/// One compiler: the worker program that has it and the libraries that the worker may open for it.
struct BackendLocation {
  std::string backend;  ///< "nvrtc", "hiprtc", "llvm".
  std::string worker;   ///< Absolute path; empty: not found.
  /// For the worker to try in this order: absolute paths of files that exist, then bare names for the dynamic linker.
  /// Empty for llvm, which is linked into its worker.
  std::vector<std::string> libraries;
  std::string searched;  ///< What was looked for, where, and the way out: for messages.

  /// `--nvrtc LIBRARY` for each library.
  std::vector<std::string> arguments() const;
};

/// A value. Thread-safe.
struct CompilerLocations {
  std::vector<BackendLocation> backends;
  /// "NAME=value" of the variables that the vendors' libraries need to find theirs; workers get these and no others.
  std::vector<std::string> environment;

  /// Null for a backend that Sinter has not.
  const BackendLocation* find(std::string_view backend) const;

  /// The location of a backend whose worker program was found.
  /// Errors: kInvalidRequest for an unknown backend; kCompilerUnavailable naming what was looked for and the way out.
  Result<BackendLocation> require(std::string_view backend) const;
};

/// The absolute path of a program of Sinter's, looked for where worker programs are.
/// Errors: kInvalidRequest naming the directories and the way out.
Result<std::string> find_program(const Settings& settings, std::string_view name);

/// Looks for everything once; opens nothing. Worker programs: `settings.worker_dir`, or beside the library that has
/// this code and beside the running program: the same directory, ../libexec/sinter, ../../libexec/sinter, ../bin.
/// Libraries: the setting alone if there is one; else LD_LIBRARY_PATH, the vendor's variables (CUDA_HOME, CUDA_PATH,
/// ROCM_PATH, HIP_PATH), the vendor's install directories (newest first), system directories, and for NVRTC the wheels
/// nvidia-cuda-nvrtc in VIRTUAL_ENV, CONDA_PREFIX and the usual Python prefixes.
///
/// `get` returns the value of a variable of the environment or null, like getenv: those named here are other software's
/// and not settings of Sinter. The current directory is never searched; relative settings are made absolute.
CompilerLocations find_compilers(const Settings& settings, const char* (*get)(const char*));

}  // namespace sinter
