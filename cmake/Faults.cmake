# tests/faults/*.py break runs of the command and look at what is left; here in their short forms.
# What they put between the program and the system are libraries of the tests' own, without
# sanitizers, which want to come first themselves.
if(NOT TARGET flowtts_command)
  return()
endif()
foreach(shim IN ITEMS fault memory)
  add_library(flowtts_${shim}_shim SHARED "${PROJECT_SOURCE_DIR}/tests/faults/${shim}_shim.cc")
  target_compile_features(flowtts_${shim}_shim PRIVATE cxx_std_20)
  target_compile_options(flowtts_${shim}_shim PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
  target_link_libraries(flowtts_${shim}_shim PRIVATE ${CMAKE_DL_LIBS})
  set_target_properties(flowtts_${shim}_shim PROPERTIES
                        LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
endforeach()

find_package(Python3 COMPONENTS Interpreter)
if(NOT Python3_FOUND)
  message(STATUS "No Python: the tests in tests/faults are left out")
  return()
endif()
set(flowtts_fault_tests hostile_input kill)
if(FLOWTTS_SANITIZE)
  set(flowtts_arguments_of_hostile_input --memory 4096)
else()
  list(APPEND flowtts_fault_tests bit_flips memory power_loss syscalls)
endif()
foreach(entry IN LISTS flowtts_fault_tests)
  add_test(NAME "faults/${entry}"
           COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/faults/${entry}.py"
                   ${flowtts_arguments_of_${entry}}
           WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties("faults/${entry}" PROPERTIES LABELS faults TIMEOUT 600
    ENVIRONMENT "${flowtts_test_environment};SHIM=$<TARGET_FILE:flowtts_fault_shim>;SCRATCH=${PROJECT_BINARY_DIR}/tests/scratch/faults")
endforeach()
