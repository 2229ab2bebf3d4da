# Configures and builds with the presets.

# As many compilers at once as there are processors, and memory for (LibTorch's headers take 1.5 GB).
job_count() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ {print int($2 / 1572864)}' /proc/meminfo)
  memory=$((memory > 0 ? memory : 1))
  printf '%s\n' "$((cores < memory ? cores : memory))"
}

# configure PRESET
configure() {
  local folder=$root/build/$1 home=''
  cd "$root"
  # A build folder knows its checkout by path: in one that was moved or copied it starts anew.
  if [[ -f $folder/CMakeCache.txt ]]; then
    home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$folder/CMakeCache.txt")
    [[ $home == "$PWD" ]] || rm -rf -- "$folder"
  fi
  # Split on purpose: FLOWTTS_CMAKE_ARGS holds several arguments.
  # shellcheck disable=SC2086
  cmake --preset "$1" -DFLOWTTS_TORCH_DIR="$(torch_dir)" ${FLOWTTS_CMAKE_ARGS-}
}

# build PRESET
build() {
  cd "$root"
  CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(job_count)} cmake --build --preset "$1"
}
