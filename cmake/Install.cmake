# bin/flowtts, lib/libflowtts.so with its modules beside it, the public headers, share/flowtts, and
# the CMake package: find_package(FlowTTS) gives the target flowtts::flowtts.
include(CMakePackageConfigHelpers)
set(flowtts_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/FlowTTS")

install(TARGETS flowtts EXPORT FlowTTSTargets)
foreach(target IN ITEMS flowtts_command flowtts_torch flowtts_cuda)
  if(TARGET ${target})
    install(TARGETS ${target} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  endif()
endforeach()
install(DIRECTORY core/include/ stages/include/ TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
foreach(folder IN ITEMS configs pipelines workers)
  if(IS_DIRECTORY "${PROJECT_SOURCE_DIR}/${folder}")
    install(DIRECTORY ${folder} DESTINATION "${CMAKE_INSTALL_DATADIR}/flowtts"
            PATTERN __pycache__ EXCLUDE)
  endif()
endforeach()

install(FILES voices/compile.py voices/export_vits.py voices/vits.py
        DESTINATION "${CMAKE_INSTALL_DATADIR}/flowtts/voices")

install(EXPORT FlowTTSTargets NAMESPACE flowtts:: DESTINATION "${flowtts_package_dir}")
configure_package_config_file(cmake/FlowTTSConfig.cmake.in FlowTTSConfig.cmake
                              INSTALL_DESTINATION "${flowtts_package_dir}")
write_basic_package_version_file(FlowTTSConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/FlowTTSConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/FlowTTSConfigVersion.cmake"
        DESTINATION "${flowtts_package_dir}")
