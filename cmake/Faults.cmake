# tests/faults/*.py break runs of the command and look at what is left; here in their short forms.
# What they put between the program and the system is a library of the tests' own, without
# sanitizers, which want to come first themselves.
if(NOT TARGET flowtts_command)
  return()
endif()
add_library(flowtts_fault_shim SHARED "${PROJECT_SOURCE_DIR}/tests/faults/fault_shim.cc")
target_compile_features(flowtts_fault_shim PRIVATE cxx_std_20)
target_compile_options(flowtts_fault_shim PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
target_link_libraries(flowtts_fault_shim PRIVATE ${CMAKE_DL_LIBS})
set_target_properties(flowtts_fault_shim PROPERTIES
                      LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")

find_package(Python3 COMPONENTS Interpreter)
if(NOT Python3_FOUND)
  message(STATUS "No Python: the tests in tests/faults are left out")
  return()
endif()
set(flowtts_fault_tests kill)
if(NOT FLOWTTS_SANITIZE)
  list(APPEND flowtts_fault_tests syscalls power_loss bit_flips)
endif()
foreach(entry IN LISTS flowtts_fault_tests)
  add_test(NAME "faults/${entry}"
           COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/faults/${entry}.py"
           WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties("faults/${entry}" PROPERTIES LABELS faults TIMEOUT 600
    ENVIRONMENT "${flowtts_test_environment};SHIM=$<TARGET_FILE:flowtts_fault_shim>;SCRATCH=${PROJECT_BINARY_DIR}/tests/scratch/faults")
endforeach()
