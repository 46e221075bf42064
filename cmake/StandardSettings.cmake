# SPDX-License-Identifier: Apache-2.0

# What every own target links privately; third-party code does not.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

find_program(SINTER_CCACHE ccache)
if(SINTER_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SINTER_CCACHE})
endif()

add_library(sinter_settings INTERFACE)
target_include_directories(sinter_settings INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_options(sinter_settings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi
  $<$<BOOL:${SINTER_DEV}>:-Werror>)
target_compile_definitions(sinter_settings INTERFACE SINTER_VERSION="${PROJECT_VERSION}" SPDLOG_FMT_EXTERNAL)
if(SINTER_SANITIZE)
  target_compile_options(sinter_settings INTERFACE -fsanitize=${SINTER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(sinter_settings INTERFACE -fsanitize=${SINTER_SANITIZE})
endif()
if(SINTER_FUZZ)
  target_compile_options(sinter_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()
