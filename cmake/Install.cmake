# SPDX-License-Identifier: Apache-2.0

# What `cmake --install` and the Debian packages put where. The tree can be moved as a whole: the library and the command
# find their helper programs by their own place (runtime/compile/compiler_locations.h), and the files for other builds
# name no absolute path.
#
# Components, each a Debian package (cmake/Package.cmake):
#   runtime      the library, the small compile worker and the helper of the remote tier
#   llvm         the LLVM compile worker, and the simulated AMD devices
#   tools        the command, its man pages and completions
#   development  headers, CMake and pkg-config files
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(SINTER_LIBEXEC ${CMAKE_INSTALL_LIBEXECDIR}/sinter)
set(SINTER_CMAKE_DIRECTORY ${CMAKE_INSTALL_LIBDIR}/cmake/Sinter)

install(TARGETS sinter EXPORT SinterTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development)
install(TARGETS sinter-worker sinter-remote RUNTIME DESTINATION ${SINTER_LIBEXEC} COMPONENT runtime)
install(TARGETS sinter-command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT tools)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT tools)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT development)
if(SINTER_BUILD_LLVM_WORKER)
  install(TARGETS sinter-worker-llvm RUNTIME DESTINATION ${SINTER_LIBEXEC} COMPONENT llvm)
  install(TARGETS sinter_simhip LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/sinter COMPONENT llvm)
endif()

if(TARGET sinter-manual)
  install(DIRECTORY ${PROJECT_BINARY_DIR}/share/man/ DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT tools)
  install(FILES ${PROJECT_BINARY_DIR}/share/completions/sinter.bash RENAME sinter
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT tools)
  install(FILES ${PROJECT_BINARY_DIR}/share/completions/sinter.zsh RENAME _sinter
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT tools)
  install(FILES ${PROJECT_BINARY_DIR}/share/completions/sinter.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT tools)
endif()

# For builds against it: find_package(Sinter) gives the target Sinter::sinter.
install(EXPORT SinterTargets NAMESPACE Sinter:: DESTINATION ${SINTER_CMAKE_DIRECTORY} COMPONENT development)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/SinterConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/SinterConfig.cmake
  INSTALL_DESTINATION ${SINTER_CMAKE_DIRECTORY} NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before 1.0 a minor version may change what is promised.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/SinterConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/SinterConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/SinterConfigVersion.cmake
  DESTINATION ${SINTER_CMAKE_DIRECTORY} COMPONENT development)

file(RELATIVE_PATH SINTER_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(${PROJECT_SOURCE_DIR}/cmake/sinter.pc.in ${CMAKE_CURRENT_BINARY_DIR}/sinter.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/sinter.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

include(Package)
