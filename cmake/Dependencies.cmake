# The libraries other than LibTorch. All that is missing is named at once, with the Debian package
# that has it and the CMake variable by which one's own is given.
set(flowtts_missing "")

function(flowtts_report_missing name package variable)
  string(APPEND flowtts_missing
         "\n  - ${name}: Debian and Ubuntu have it in ${package}; your own: ${variable}")
  set(flowtts_missing "${flowtts_missing}" PARENT_SCOPE)
endfunction()

# flowtts_require_package(<package name> <target> <Debian package>): one with a CMake package.
macro(flowtts_require_package name target package)
  find_package(${name} QUIET CONFIG)
  if(NOT TARGET ${target})
    flowtts_report_missing(${name} ${package} "-D${name}_DIR=<folder of ${name}Config.cmake>")
  endif()
endmacro()

# flowtts_require_library(<name> <header> <Debian package> [<library>...]): one without; makes the
# target flowtts::<name>. No library: headers only.
function(flowtts_require_library name header package)
  string(TOUPPER "FLOWTTS_${name}" prefix)
  find_path(${prefix}_INCLUDE_DIR ${header} DOC "Folder of ${header}")
  mark_as_advanced(${prefix}_INCLUDE_DIR)
  set(files "")
  foreach(library IN LISTS ARGN)
    string(TOUPPER "FLOWTTS_${library}_LIBRARY" variable)
    find_library(${variable} ${library} DOC "File of lib${library}")
    mark_as_advanced(${variable})
    list(APPEND files "${${variable}}")
  endforeach()
  if(NOT ${prefix}_INCLUDE_DIR OR files MATCHES "NOTFOUND")
    flowtts_report_missing(${name} ${package} "-DCMAKE_PREFIX_PATH=<where it is installed>")
    set(flowtts_missing "${flowtts_missing}" PARENT_SCOPE)
    return()
  endif()
  add_library(flowtts::${name} INTERFACE IMPORTED)
  target_include_directories(flowtts::${name} SYSTEM INTERFACE "${${prefix}_INCLUDE_DIR}")
  target_link_libraries(flowtts::${name} INTERFACE ${files})
endfunction()

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
flowtts_require_package(TBB TBB::tbb libtbb-dev)
flowtts_require_package(fmt fmt::fmt libfmt-dev)
flowtts_require_package(CLI11 CLI11::CLI11 libcli11-dev)
find_package(yaml-cpp QUIET CONFIG)  # Its target's name changed in 0.8.
if(TARGET yaml-cpp::yaml-cpp)
  set(flowtts_yaml_cpp yaml-cpp::yaml-cpp)
else()
  flowtts_require_package(yaml-cpp yaml-cpp libyaml-cpp-dev)
  set(flowtts_yaml_cpp yaml-cpp)
endif()
find_package(ICU QUIET COMPONENTS uc i18n)
if(NOT ICU_FOUND)
  flowtts_report_missing(ICU libicu-dev -DICU_ROOT=<where it is installed>)
endif()
flowtts_require_library(rapidjson rapidjson/rapidjson.h rapidjson-dev)
flowtts_require_library(xxhash xxhash.h libxxhash-dev xxhash)
flowtts_require_library(sndfile sndfile.h libsndfile1-dev sndfile)
flowtts_require_library(soxr soxr.h libsoxr-dev soxr)
# In the order in which each needs the next.
flowtts_require_library(flite flite/flite.h flite1-dev
                        flite_cmu_us_slt flite_usenglish flite_cmulex flite)
if(FLOWTTS_BUILD_TESTS)
  flowtts_require_library(doctest doctest/doctest.h doctest-dev)
endif()

# All that libflowtts.so is made with; its tests look at some of these libraries too.
add_library(flowtts_dependencies INTERFACE)
target_link_libraries(flowtts_dependencies INTERFACE
  TBB::tbb fmt::fmt ${flowtts_yaml_cpp} flowtts::rapidjson flowtts::xxhash flowtts::sndfile
  flowtts::soxr flowtts::flite ICU::i18n ICU::uc Threads::Threads ${CMAKE_DL_LIBS})
