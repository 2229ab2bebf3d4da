# The tests. ctest gets one entry for each test file, so that a failure names its file while the
# whole is two programs to link.
set(flowtts_test_environment
  "FLOWTTS_SOURCE_DIR=${PROJECT_SOURCE_DIR}" OMP_WAIT_POLICY=passive
  "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan.supp"
  "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/lsan.supp:print_suppressions=0")

if(TARGET flowtts_command)
  list(APPEND flowtts_test_environment "FLOWTTS=$<TARGET_FILE:flowtts_command>")
endif()

set_source_files_properties("${PROJECT_SOURCE_DIR}/tests/main.cc" PROPERTIES
                            SKIP_PRECOMPILE_HEADERS ON)

# flowtts_add_doctests(<executable> <label> <source>...)
function(flowtts_add_doctests name label)
  add_executable(${name} "${PROJECT_SOURCE_DIR}/tests/main.cc" ${ARGN})
  target_link_libraries(${name} PRIVATE
    flowtts_build flowtts::flowtts flowtts_dependencies flowtts::doctest)
  if(TARGET flowtts_command)
    add_dependencies(${name} flowtts_command)  # which some tests run
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  foreach(source IN LISTS ARGN)
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE path)
    string(REGEX REPLACE "^tests/(.*)_test\\.cc$" "\\1" entry "${path}")
    add_test(NAME "${entry}" COMMAND ${name} "--source-file=*/${path}"
             WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    set_tests_properties("${entry}" PROPERTIES
      LABELS "${label}" TIMEOUT 300 ENVIRONMENT "${flowtts_test_environment}"
      FAIL_REGULAR_EXPRESSION "test cases: +0 ")  # A file that tests nothing is a mistake.
  endforeach()
endfunction()

file(GLOB_RECURSE flowtts_unit_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/*_test.cc")
set(flowtts_torch_test_sources ${flowtts_unit_tests})
list(FILTER flowtts_unit_tests EXCLUDE REGEX "/tests/torch/")
list(FILTER flowtts_torch_test_sources INCLUDE REGEX "/tests/torch/")

if(flowtts_unit_tests)
  flowtts_add_doctests(flowtts_tests unit ${flowtts_unit_tests})
  if(TARGET flowtts_cli)
    target_link_libraries(flowtts_tests PRIVATE flowtts_cli)
  endif()
  flowtts_precompile(flowtts_tests <doctest/doctest.h>)
endif()
if(flowtts_torch_test_sources AND TARGET flowtts_torch_objects)
  # It holds the module's own objects, so that a test reaches private classes as well.
  flowtts_add_doctests(flowtts_torch_tests torch ${flowtts_torch_test_sources})
  target_link_libraries(flowtts_torch_tests PRIVATE flowtts_torch_objects)
  # The precompiled header is good for the flags it was made with only, and those of an executable
  # would differ in -fPIE.
  set_target_properties(flowtts_torch_tests PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(flowtts_torch_tests PRIVATE -fPIC)
  target_precompile_headers(flowtts_torch_tests REUSE_FROM flowtts_torch_objects)
endif()

# tests/cli/*.sh run the command itself: bash, in an empty folder of their own ($SCRATCH).
file(GLOB flowtts_cli_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/cli/*.sh")
if(TARGET flowtts_command)
  foreach(script IN LISTS flowtts_cli_tests)
    cmake_path(GET script STEM entry)
    set(scratch "${PROJECT_BINARY_DIR}/tests/scratch/${entry}")
    add_test(NAME "cli/${entry}" WORKING_DIRECTORY "${PROJECT_BINARY_DIR}/tests"
      COMMAND bash -euc "rm -rf \"$SCRATCH\"; mkdir -p \"$SCRATCH\"; cd \"$SCRATCH\"; exec bash -euo pipefail \"$0\""
              "${script}")
    set_tests_properties("cli/${entry}" PROPERTIES LABELS cli TIMEOUT 600 SKIP_RETURN_CODE 77
      ENVIRONMENT "${flowtts_test_environment};SOURCE_DIR=${PROJECT_SOURCE_DIR};BUILD_DIR=${PROJECT_BINARY_DIR};SCRATCH=${scratch}")
    # What needs Python packages that are not everywhere says that it was skipped.
    if(entry MATCHES "^worker_")
      set_tests_properties("cli/${entry}" PROPERTIES SKIP_REGULAR_EXPRESSION "^skipped: ")
    endif()
    if(entry STREQUAL "worker_cosyvoice")  # starts CosyVoice's Python some twenty times
      set_tests_properties("cli/${entry}" PROPERTIES TIMEOUT 1800)
    endif()
  endforeach()
endif()
