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

function(flowtts_read_torch)
  set(header "${FLOWTTS_TORCH_DIR}/include/torch/headeronly/version.h")
  if(NOT EXISTS "${header}")
    set(header "${FLOWTTS_TORCH_DIR}/include/torch/csrc/api/include/torch/version.h")
  endif()
  file(STRINGS "${header}" line REGEX "define TORCH_VERSION \"" LIMIT_COUNT 1)
  string(REGEX MATCH "[0-9][^\"]*" version "${line}")
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

# The wheels' own CUDA headers come first, because they are of the version that LibTorch has.
if(NOT FLOWTTS_CUDA STREQUAL "OFF")
  find_package(CUDAToolkit QUIET)
  file(GLOB flowtts_cuda_wheels "${FLOWTTS_TORCH_DIR}/../nvidia/cu*/include"
       "${FLOWTTS_TORCH_DIR}/../nvidia/cuda_runtime/include")
  find_path(FLOWTTS_CUDA_INCLUDE_DIR NAMES crt/host_defines.h
            PATHS ${flowtts_cuda_wheels} ${CUDAToolkit_INCLUDE_DIRS}
            DOC "Folder of cuda_runtime_api.h and crt/" NO_DEFAULT_PATH)
  if(FLOWTTS_CUDA_INCLUDE_DIR AND EXISTS "${FLOWTTS_TORCH_DIR}/lib/libtorch_cuda.so")
    add_library(flowtts::torch_cuda INTERFACE IMPORTED)
    target_include_directories(flowtts::torch_cuda SYSTEM INTERFACE "${FLOWTTS_CUDA_INCLUDE_DIR}")
    # Loading libtorch_cuda is what registers the CUDA kernels, whether or not a symbol is used.
    target_link_libraries(flowtts::torch_cuda INTERFACE flowtts::torch
      -Wl,--push-state,--no-as-needed "${FLOWTTS_TORCH_DIR}/lib/libtorch_cuda.so" -Wl,--pop-state
      "${FLOWTTS_TORCH_DIR}/lib/libc10_cuda.so")
    message(STATUS "CUDA headers: ${FLOWTTS_CUDA_INCLUDE_DIR}")
  elseif(FLOWTTS_CUDA STREQUAL "ON")
    message(FATAL_ERROR "FLOWTTS_CUDA=ON, but there is no libtorch_cuda.so in"
      " ${FLOWTTS_TORCH_DIR}/lib or no folder with cuda_runtime_api.h and crt/host_defines.h."
      " Give -DFLOWTTS_CUDA_INCLUDE_DIR=<folder>, or a toolkit with -DCUDAToolkit_ROOT=<folder>.")
  else()
    message(STATUS "CUDA module: not built (no CUDA headers, or a LibTorch without CUDA)")
  endif()
endif()
