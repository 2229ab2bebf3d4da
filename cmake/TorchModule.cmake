# What needs LibTorch or CUDA: modules that libflowtts.so loads at run time from its own folder, so
# that one build runs on machines with and without a GPU. The objects are a target of their own for
# the tests, which cannot link a module.
#
# flowtts_add_module(<name> <folder> <library>...)
function(flowtts_add_module name folder)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cc"
       "${PROJECT_SOURCE_DIR}/${folder}/*.cu")
  if(NOT sources)
    return()
  endif()
  if(sources MATCHES "\\.cu(;|$)")
    enable_language(CUDA)
  endif()
  add_library(${name}_objects OBJECT ${sources})
  target_link_libraries(${name}_objects PUBLIC flowtts_build flowtts::flowtts fmt::fmt ${ARGN})
  add_library(${name} MODULE)
  target_link_libraries(${name} PRIVATE ${name}_objects)
endfunction()

flowtts_add_module(flowtts_torch stages/neural/torch flowtts::torch flowtts::rapidjson)
if(TARGET flowtts_torch_objects)
  # Compiled once, where it would cost half a minute in each file.
  target_precompile_headers(flowtts_torch_objects PRIVATE <torch/script.h>)
endif()
if(TARGET flowtts::torch_cuda)
  flowtts_add_module(flowtts_cuda stages/neural/cuda flowtts::torch_cuda)
endif()
