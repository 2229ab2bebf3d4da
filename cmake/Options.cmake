# What a builder may choose, and how every target of ours is compiled.
include(GNUInstallDirs)

option(FLOWTTS_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(FLOWTTS_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(FLOWTTS_BUILD_BENCH "Build the measuring programs" ${PROJECT_IS_TOP_LEVEL})
option(FLOWTTS_WERROR "Treat warnings in our own code as errors" ${PROJECT_IS_TOP_LEVEL})
option(FLOWTTS_PCH "Precompile the headers that most files include" ON)
set(FLOWTTS_CUDA AUTO CACHE STRING
    "The CUDA module: AUTO (where CUDA's headers and LibTorch with CUDA are found), ON or OFF")
set(FLOWTTS_SANITIZE "" CACHE STRING "Sanitizers for all of our code, as address,undefined or thread")
option(FLOWTTS_FUZZ "Build the fuzzers for libFuzzer; needs clang (scripts/fuzz)" OFF)
set_property(CACHE FLOWTTS_CUDA PROPERTY STRINGS AUTO ON OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug, RelWithDebInfo" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# The build folder is laid out as an installation is: lib/ beside the folders of programs. So the
# run paths can be relative to the file, and a moved or copied folder still finds its own libraries.
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
set(CMAKE_INSTALL_RPATH "$ORIGIN;$ORIGIN/../lib;$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
list(REMOVE_DUPLICATES CMAKE_INSTALL_RPATH)
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

find_program(FLOWTTS_CCACHE ccache DOC "Compiler cache; empty for none")
if(FLOWTTS_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness is what ccache asks for with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros;${FLOWTTS_CCACHE}")
endif()

# Everything of ours links this one. Nothing of it reaches those who use the installed library.
add_library(flowtts_build INTERFACE)
target_include_directories(flowtts_build INTERFACE "${PROJECT_SOURCE_DIR}")
target_compile_definitions(flowtts_build INTERFACE FLOWTTS_VERSION="${PROJECT_VERSION}")
target_compile_options(flowtts_build INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${FLOWTTS_WERROR}>>:-Werror>
  # GCC 12 and 13 warn of these inside std::variant, std::optional and std::string where it is not so.
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-maybe-uninitialized;-Wno-array-bounds;-Wno-stringop-overflow;-Wno-stringop-overread;-Wno-restrict>
  # Lets ccache work with GCC's precompiled headers.
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fpch-preprocess>)
if(FLOWTTS_FUZZ)
  target_compile_options(flowtts_build INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(FLOWTTS_SANITIZE)
  string(REPLACE "," ";" flowtts_sanitizers "${FLOWTTS_SANITIZE}")
  target_compile_options(flowtts_build INTERFACE
    "-fsanitize=${FLOWTTS_SANITIZE}" -fno-omit-frame-pointer)
  target_link_options(flowtts_build INTERFACE "-fsanitize=${FLOWTTS_SANITIZE}")
  if("thread" IN_LIST flowtts_sanitizers)
    # A fence is not seen by ThreadSanitizer. Where one stands it is behind a shared_ptr's count.
    target_compile_options(flowtts_build INTERFACE -Wno-tsan)
  endif()
  if("undefined" IN_LIST flowtts_sanitizers)
    target_compile_options(flowtts_build INTERFACE -fno-sanitize-recover=undefined)
  endif()
else()
  # A symbol that a library forgets to link is an error here, not at run time.
  target_link_options(flowtts_build INTERFACE LINKER:-z,defs)
endif()

# flowtts_precompile(<target> <header>...): these headers and the common ones, for every file of the
# target: a quarter less to compile. The sanitizer presets go without, so that a file that forgets an
# include is found out.
function(flowtts_precompile target)
  if(FLOWTTS_PCH)
    target_precompile_headers(${target} PRIVATE
      <algorithm> <chrono> <filesystem> <functional> <map> <memory> <mutex> <optional> <string>
      <unordered_map> <variant> <vector> ${ARGN})
  endif()
endfunction()
