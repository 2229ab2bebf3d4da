# core/ and stages/ are one shared library: a stage registers itself from a static object, which a
# linker would leave out of a static library. A file that is dropped into stages/ is part of the
# next build. What needs LibTorch or CUDA is apart (TorchModule.cmake).
file(GLOB_RECURSE flowtts_sources CONFIGURE_DEPENDS
     "${PROJECT_SOURCE_DIR}/core/*.cc" "${PROJECT_SOURCE_DIR}/stages/*.cc")
list(FILTER flowtts_sources EXCLUDE REGEX "/stages/neural/(torch|cuda)/")
if(NOT flowtts_sources)
  message(FATAL_ERROR "There are no sources in ${PROJECT_SOURCE_DIR}/core: an incomplete checkout?")
endif()

add_library(flowtts SHARED ${flowtts_sources})
add_library(flowtts::flowtts ALIAS flowtts)
set_target_properties(flowtts PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
target_compile_features(flowtts PUBLIC cxx_std_20)
if(FLOWTTS_SANITIZE MATCHES "undefined")
  # oneTBB casts a task down to its own type after its destructor has run and uses only the address
  # (graph_task::destruct_and_deallocate). The flow graph's headers are in this file alone.
  set_source_files_properties("${PROJECT_SOURCE_DIR}/core/graph/flow.cc" PROPERTIES
                              COMPILE_OPTIONS -fno-sanitize=vptr)
endif()
# By its version compiled voices are told apart, also where LibTorch itself is not loaded.
string(REGEX MATCH "^[0-9.]+" flowtts_torch_base_version "${flowtts_torch_version}")
set_source_files_properties("${PROJECT_SOURCE_DIR}/stages/neural/voice_on_card.cc" PROPERTIES
                            COMPILE_DEFINITIONS FLOWTTS_TORCH_VERSION="${flowtts_torch_base_version}")
# From the library's folder to share/flowtts, relative, so that a moved folder still finds it.
file(RELATIVE_PATH flowtts_library_data_dir "/prefix/${CMAKE_INSTALL_LIBDIR}"
     "/prefix/${CMAKE_INSTALL_DATADIR}/flowtts")
file(RELATIVE_PATH flowtts_build_data_dir "${CMAKE_LIBRARY_OUTPUT_DIRECTORY}"
     "${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_DATADIR}/flowtts")
set_source_files_properties("${PROJECT_SOURCE_DIR}/stages/neural/worker/environment.cc" PROPERTIES
  COMPILE_DEFINITIONS
  "FLOWTTS_LIBRARY_DATA_DIR=\"${flowtts_library_data_dir}\";FLOWTTS_BUILD_DATA_DIR=\"${flowtts_build_data_dir}\"")
# The workers' SDK, and the worker of the voice format "onnx", lie in the build folder as they do in
# an installation.
foreach(worker IN ITEMS flowtts_worker onnx)
  configure_file("${PROJECT_SOURCE_DIR}/workers/${worker}.py"
                 "${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_DATADIR}/flowtts/workers/${worker}.py"
                 COPYONLY)
endforeach()
target_include_directories(flowtts PUBLIC
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/core/include>"
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/stages/include>"
  "$<INSTALL_INTERFACE:include>")
target_link_libraries(flowtts PRIVATE $<BUILD_INTERFACE:flowtts_build> flowtts_dependencies)
flowtts_precompile(flowtts <fmt/format.h>)
