# LibTorch as imported targets of our own: its find_package(Torch) asks for nvcc and a toolkit of
# the very version that LibTorch was built with, and neither is needed here.
#
#   flowtts::torch       libtorch_cpu and libc10: enough for programs that start with or without a GPU
#   flowtts::torch_cuda  libtorch_cuda, libc10_cuda and CUDA's headers, where they are found
#
# Looked for in this order: FLOWTTS_TORCH_DIR (a `torch` package folder, or an unpacked LibTorch
# archive), given to CMake or in the environment; the dependency folder that ./flowtts and
# scripts/setup fill; CMAKE_PREFIX_PATH.
set(flowtts_deps "$ENV{FLOWTTS_DEPS_DIR}")
if(NOT flowtts_deps)
  set(flowtts_deps "${PROJECT_SOURCE_DIR}/.deps")
endif()
find_path(FLOWTTS_TORCH_DIR include/torch/csrc/api/include/torch/torch.h
          PATHS "$ENV{FLOWTTS_TORCH_DIR}" "${flowtts_deps}/site-packages/torch"
          PATH_SUFFIXES . libtorch
          DOC "LibTorch: the folder with include/ and lib/" NO_DEFAULT_PATH)
find_path(FLOWTTS_TORCH_DIR include/torch/csrc/api/include/torch/torch.h)

if(NOT EXISTS "${FLOWTTS_TORCH_DIR}/lib/libtorch_cpu.so")
  string(APPEND flowtts_missing
    "\n  - LibTorch: scripts/setup fetches it; your own: -DFLOWTTS_TORCH_DIR=<folder with include/ and"
    " lib/>, which is what python3 -c \"import torch; print(torch.__path__[0])\" prints")
endif()
if(flowtts_missing)
  message(FATAL_ERROR "FlowTTS cannot be built, because this is missing:${flowtts_missing}\n"
    "On Debian and Ubuntu scripts/setup installs all of it.")
endif()

# Sets flowtts_torch_version, as 2.11.0+cu130.
function(flowtts_read_torch)
  foreach(file IN ITEMS version.py build-version)  # in the package, in the archive
    if(EXISTS "${FLOWTTS_TORCH_DIR}/${file}")
      file(STRINGS "${FLOWTTS_TORCH_DIR}/${file}" line REGEX "(^|version.*)[0-9]+\\.[0-9]+\\.[0-9]+"
           LIMIT_COUNT 1)
      string(REGEX MATCH "[0-9]+\\.[0-9]+[^'\"]*" version "${line}")
    endif()
  endforeach()
  set(flowtts_torch_version "${version}" PARENT_SCOPE)
  set(config "${FLOWTTS_TORCH_DIR}/share/cmake/Torch/TorchConfig.cmake")
  if(EXISTS "${config}")
    file(STRINGS "${config}" old_abi REGEX "_GLIBCXX_USE_CXX11_ABI=0" LIMIT_COUNT 1)
    if(old_abi)
      message(FATAL_ERROR "The LibTorch in ${FLOWTTS_TORCH_DIR} was built with libstdc++'s old ABI,"
        " which the other libraries do not have. Bring one with the cxx11 ABI (all since 2.7).")
    endif()
  endif()
endfunction()

flowtts_read_torch()
message(STATUS "LibTorch ${flowtts_torch_version}: ${FLOWTTS_TORCH_DIR}")
add_library(flowtts::torch INTERFACE IMPORTED)
target_include_directories(flowtts::torch SYSTEM INTERFACE
  "${FLOWTTS_TORCH_DIR}/include" "${FLOWTTS_TORCH_DIR}/include/torch/csrc/api/include")
target_compile_definitions(flowtts::torch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
target_link_libraries(flowtts::torch INTERFACE
  "${FLOWTTS_TORCH_DIR}/lib/libtorch_cpu.so" "${FLOWTTS_TORCH_DIR}/lib/libc10.so" Threads::Threads)
# Given here because CMake's own run paths leave out folders inside the checkout, as .deps/ is.
target_link_options(flowtts::torch INTERFACE "LINKER:-rpath,${FLOWTTS_TORCH_DIR}/lib")

# Sets flowtts_cuda_problem to why there can be no flowtts::torch_cuda; empty where it was made.
function(flowtts_find_torch_cuda)
  set(flowtts_cuda_problem "" PARENT_SCOPE)
  if(NOT EXISTS "${FLOWTTS_TORCH_DIR}/lib/libtorch_cuda.so")
    set(flowtts_cuda_problem "this LibTorch has no libtorch_cuda.so" PARENT_SCOPE)
    return()
  endif()
  # The wheels' own CUDA headers come first, because they are of the version that LibTorch has; a
  # toolkit does as well where its major version is that one.
  file(GLOB folders "${FLOWTTS_TORCH_DIR}/../nvidia/cu*/include"
       "${FLOWTTS_TORCH_DIR}/../nvidia/cuda_runtime/include")
  find_package(CUDAToolkit QUIET)
  string(REGEX MATCH "\\+cu([0-9]+)[0-9]" cuda "${flowtts_torch_version}")
  if(CUDAToolkit_FOUND AND CUDAToolkit_VERSION_MAJOR STREQUAL CMAKE_MATCH_1)
    list(APPEND folders ${CUDAToolkit_INCLUDE_DIRS})
  endif()
  find_path(FLOWTTS_CUDA_INCLUDE_DIR crt/host_defines.h PATHS ${folders}
            DOC "Folder of cuda_runtime_api.h and crt/" NO_DEFAULT_PATH)
  if(NOT FLOWTTS_CUDA_INCLUDE_DIR)
    set(flowtts_cuda_problem "no headers of CUDA ${CMAKE_MATCH_1}: give -DFLOWTTS_CUDA_INCLUDE_DIR=<folder \
of cuda_runtime_api.h and crt/>, or a toolkit with -DCUDAToolkit_ROOT=<folder>" PARENT_SCOPE)
    return()
  endif()
  message(STATUS "CUDA headers: ${FLOWTTS_CUDA_INCLUDE_DIR}")
  add_library(flowtts::torch_cuda INTERFACE IMPORTED GLOBAL)
  target_include_directories(flowtts::torch_cuda SYSTEM INTERFACE "${FLOWTTS_CUDA_INCLUDE_DIR}")
  # c10's inline functions call the runtime themselves. The wheels' own comes first, as above.
  file(GLOB runtimes "${FLOWTTS_TORCH_DIR}/../nvidia/cu*/lib/libcudart.so.*"
       "${FLOWTTS_TORCH_DIR}/../nvidia/cuda_runtime/lib/libcudart.so.*"
       "${FLOWTTS_TORCH_DIR}/lib/libcudart*.so*")
  if(runtimes)
    list(GET runtimes 0 runtime)
    target_link_libraries(flowtts::torch_cuda INTERFACE "${runtime}")
  elseif(TARGET CUDA::cudart)
    target_link_libraries(flowtts::torch_cuda INTERFACE CUDA::cudart)
  endif()
  # Loading libtorch_cuda is what registers the CUDA kernels, whether or not a symbol is used.
  target_link_libraries(flowtts::torch_cuda INTERFACE flowtts::torch
    -Wl,--push-state,--no-as-needed "${FLOWTTS_TORCH_DIR}/lib/libtorch_cuda.so" -Wl,--pop-state
    "${FLOWTTS_TORCH_DIR}/lib/libc10_cuda.so")
endfunction()

if(NOT FLOWTTS_CUDA STREQUAL "OFF")
  flowtts_find_torch_cuda()
  if(flowtts_cuda_problem AND FLOWTTS_CUDA STREQUAL "ON")
    message(FATAL_ERROR "FLOWTTS_CUDA=ON, but ${flowtts_cuda_problem}")
  elseif(flowtts_cuda_problem)
    message(STATUS "No CUDA module: ${flowtts_cuda_problem}")
  endif()
endif()
