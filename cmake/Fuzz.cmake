# tests/fuzz/*_fuzz.cc: each a program that feeds bytes to one reader of what comes from outside.
# With FLOWTTS_FUZZ (the preset `fuzz`, which scripts/fuzz builds) libFuzzer drives them; otherwise
# tests/fuzz/main.cc does, which plays the seeds and simple mutations of them, with any compiler.
add_custom_target(flowtts_fuzzers)
if(FLOWTTS_FUZZ)
  # The only files with RapidJSON in them.
  set_source_files_properties("${PROJECT_SOURCE_DIR}/core/json.cc"
    "${PROJECT_SOURCE_DIR}/stages/io/record_walk.cc" PROPERTIES
    COMPILE_OPTIONS "-fsanitize-ignorelist=${PROJECT_SOURCE_DIR}/cmake/clang.ignore")
endif()
set_source_files_properties("${PROJECT_SOURCE_DIR}/tests/fuzz/main.cc" PROPERTIES
                            SKIP_PRECOMPILE_HEADERS ON)
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND AND NOT FLOWTTS_FUZZ)
  add_test(NAME fuzz/seeds COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/tests/fuzz/make_seeds.py"
           "${PROJECT_BINARY_DIR}/fuzz/seeds")
  set_tests_properties(fuzz/seeds PROPERTIES LABELS fuzz FIXTURES_SETUP flowtts_fuzz_seeds)
endif()
file(GLOB flowtts_fuzz_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/*_fuzz.cc")
foreach(source IN LISTS flowtts_fuzz_sources)
  cmake_path(GET source STEM name)
  string(REGEX REPLACE "_fuzz$" "" subject "${name}")
  set(target "flowtts_fuzz_${subject}")
  add_executable(${target} "${source}")
  target_link_libraries(${target} PRIVATE
    flowtts_build flowtts::flowtts flowtts_dependencies)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz")
  add_dependencies(flowtts_fuzzers ${target})
  if(FLOWTTS_FUZZ)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    continue()
  endif()
  target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests/fuzz/main.cc")
  if(Python3_FOUND)
    add_test(NAME "fuzz/${subject}" WORKING_DIRECTORY "${PROJECT_BINARY_DIR}/fuzz"
             COMMAND ${target} --mutations 2000 "seeds/${subject}")
    set_tests_properties("fuzz/${subject}" PROPERTIES LABELS fuzz TIMEOUT 300
                         FIXTURES_REQUIRED flowtts_fuzz_seeds
                         ENVIRONMENT "${flowtts_test_environment}")
  endif()
endforeach()
