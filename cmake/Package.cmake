# SPDX-License-Identifier: Apache-2.0

# `cpack -G DEB` in the build directory: a Debian package for each component of cmake/Install.cmake.
set(CPACK_PACKAGE_NAME sinter)
set(CPACK_PACKAGE_VENDOR Sinter)
set(CPACK_PACKAGE_CONTACT "Sinter <sinter@localhost>")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime tools development)
if(SINTER_BUILD_LLVM_WORKER)
  list(APPEND CPACK_COMPONENTS_ALL llvm)
endif()

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libsinter0)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_RECOMMENDS sinter-worker-llvm)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "JIT compiler for GPU kernels, library
 What a serving process loads, with the worker that compiles by NVRTC and hiprtc and the helper that speaks to a remote
 cache.")

set(CPACK_DEBIAN_LLVM_PACKAGE_NAME sinter-worker-llvm)
set(CPACK_DEBIAN_LLVM_PACKAGE_DEPENDS "libsinter0 (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_LLVM_DESCRIPTION "JIT compiler for GPU kernels, LLVM worker
 Compiles for AMD, for the host CPU, and PTX for NVIDIA. Not needed where all kernels come prebuilt.")

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME sinter)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_TOOLS_PACKAGE_DEPENDS "libsinter0 (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_TOOLS_DESCRIPTION "JIT compiler for GPU kernels, command line
 Prebuilds kernels without a device, looks into caches, and says what works on a machine.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libsinter-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libsinter0 (= ${PROJECT_VERSION})")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "JIT compiler for GPU kernels, development files
 Headers for C and C++, and files for CMake and pkg-config.")
include(CPack)
