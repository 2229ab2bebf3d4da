# The command line. All but main.cc is an object library, shared by the tests and by further
# commands.
file(GLOB_RECURSE flowtts_cli_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cli/*.cc")
list(REMOVE_ITEM flowtts_cli_sources "${PROJECT_SOURCE_DIR}/cli/main.cc")
if(flowtts_cli_sources)
  add_library(flowtts_cli OBJECT ${flowtts_cli_sources})
  target_link_libraries(flowtts_cli PUBLIC flowtts_build flowtts::flowtts fmt::fmt CLI11::CLI11)
  flowtts_precompile(flowtts_cli <fmt/format.h>)
  # Relative, so that a moved folder still finds its own files.
  file(RELATIVE_PATH flowtts_data_dir "/prefix/${CMAKE_INSTALL_BINDIR}"
       "/prefix/${CMAKE_INSTALL_DATADIR}/flowtts")
  target_compile_definitions(flowtts_cli PRIVATE FLOWTTS_DATA_DIR="${flowtts_data_dir}")
endif()
# What the command needs beside it lies in the build folder as it does in an installation.
configure_file("${PROJECT_SOURCE_DIR}/voices/compile.py"
               "${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_DATADIR}/flowtts/voices/compile.py" COPYONLY)

# flowtts_add_command(<name> [<source>...])
# Makes the command <name>: all that `flowtts` can do, with the stages in the given sources compiled
# in.
function(flowtts_add_command name)
  add_executable(${name} "${PROJECT_SOURCE_DIR}/cli/main.cc" ${ARGN})
  target_link_libraries(${name} PRIVATE flowtts_build flowtts::flowtts fmt::fmt CLI11::CLI11)
  if(TARGET flowtts_cli)
    target_link_libraries(${name} PRIVATE flowtts_cli)
  endif()
  # The modules are loaded at run time, so that no link makes them.
  foreach(module IN ITEMS flowtts_torch flowtts_cuda)
    if(TARGET ${module})
      add_dependencies(${name} ${module})
    endif()
  endforeach()
endfunction()

if(EXISTS "${PROJECT_SOURCE_DIR}/cli/main.cc")
  flowtts_add_command(flowtts_command)
  set_target_properties(flowtts_command PROPERTIES
    OUTPUT_NAME flowtts RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/cli")
endif()
