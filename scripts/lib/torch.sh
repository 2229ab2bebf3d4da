# LibTorch: the wheels of scripts/requirements-*.txt in $deps/site-packages, beside one another as
# their libraries' run paths want it. A wheel is there when its dist-info folder is: that is unpacked
# last. With $with_compile set, what compiling voices needs is among them, which is Python.
with_compile=
deps=${FLOWTTS_DEPS_DIR:-$root/.deps}
[[ $deps == /* ]] || deps=$PWD/$deps
site=$deps/site-packages
missing_wheels=()

has_gpu() {
  case ${FLOWTTS_GPU-} in
    on) return 0 ;;
    off) return 1 ;;
    '') [[ -e /proc/driver/nvidia/version ]] || command -v nvidia-smi >/dev/null ;;
    *) die "FLOWTTS_GPU is '$FLOWTTS_GPU'; allowed: on, off, or unset to look for a driver" ;;
  esac
}

# The folder that the program is built with.
torch_dir() { printf '%s\n' "${FLOWTTS_TORCH_DIR:-$site/torch}"; }

# Whether CUDA's libraries are among them: torch's Python half is linked against all of them.
wants_cuda() { [[ -n $with_compile ]] || has_gpu; }

find_missing_wheels() {
  missing_wheels=()
  if [[ -n ${FLOWTTS_TORCH_DIR-} ]]; then
    [[ -e $FLOWTTS_TORCH_DIR/lib/libtorch_cpu.so ]] ||
      die "FLOWTTS_TORCH_DIR is $FLOWTTS_TORCH_DIR, which has no lib/libtorch_cpu.so. It is the folder
  that python3 -c 'import torch; print(torch.__path__[0])' prints, or an unpacked LibTorch archive."
    return 0
  fi
  local lists=("$root/scripts/requirements-cpu.txt") requirement name
  ! wants_cuda || lists+=("$root/scripts/requirements-cuda.txt")
  if [[ -n $with_compile ]]; then
    lists+=("$root/scripts/requirements-compile.txt")
    ! has_gpu || lists+=("$root/scripts/requirements-compile-cuda.txt")
  fi
  while read -r requirement; do
    [[ $requirement == *==* && $requirement != '#'* ]] || continue
    name=${requirement%% *}
    name=${name//-/_}
    has_wheel "${name/==/-}" || missing_wheels+=("$requirement")
  done < <(cat -- "${lists[@]}")
  ((${#missing_wheels[@]} == 0)) || check_room_for_wheels
}

# has_wheel NAME-VERSION. Where torch is missing all is: unpacking it begins with an empty folder.
has_wheel() {
  [[ "${missing_wheels[*]-}" != torch==* && -e $site/$1.dist-info ]] || return 1
  [[ $1 != torch-* || -z $with_compile || -e $site/torch/__init__.py ]]
}

check_room_for_wheels() {
  case $(uname -sm) in
    'Linux x86_64' | 'Linux aarch64') ;;
    *) die "LibTorch is fetched for Linux on x86_64 and aarch64 only, and this is $(uname -sm).
  Give your own: FLOWTTS_TORCH_DIR=<folder with its include/ and lib/>." ;;
  esac
  mkdir -p "$deps" || die "cannot write to $deps, where LibTorch is kept; FLOWTTS_DEPS_DIR moves it."
  local needed=2 free
  ! wants_cuda || needed=7
  free=$(($(df -Pk -- "$deps" | awk 'NR == 2 {print $4}') / 1048576))
  ((free >= needed)) || die "$deps has $free GB free, and LibTorch needs $needed GB while it is
  unpacked. FLOWTTS_DEPS_DIR moves it to another disk."
}

wheels_expectation() {
  if [[ "${missing_wheels[*]}" != *torch==* && "${missing_wheels[*]}" != *nvidia-cublas* ]]; then
    printf 'up to 200 MB to fetch, 700 MB on disk'
  elif [[ "${missing_wheels[*]}" != *nvidia-cublas* ]]; then
    printf '545 MB to fetch, 1.1 GB on disk'
  elif [[ "${missing_wheels[*]}" == torch==* ]]; then
    printf '2.5 GB to fetch, 3.7 GB on disk'
  else
    printf '2 GB to fetch, 2.6 GB on disk'
  fi
}

# A Python with pip: the first on PATH, or the system's own.
find_python() {
  local python
  for python in python3 /usr/bin/python3; do
    "$python" -m pip --version >/dev/null 2>&1 && break
  done
  printf '%s\n' "$python"
}

# The machine's own pip settings (proxy, mirror, certificates) hold; those that would put packages
# elsewhere do not. Temporary files stay on the disk that must have the room.
run_pip() {
  mkdir -p "$deps/tmp"
  env -u PIP_TARGET -u PIP_PREFIX PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore \
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 TMPDIR="$deps/tmp" \
    "$(find_python)" -m pip "$@"
}

# The version of Python that torch is fetched for: the machine's own, where there is one for it.
wheel_python() {
  local version
  version=$("$(find_python)" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  [[ $version =~ ^3\.1[0-4]$ ]] || version=3.11
  printf '%s\n' "$version"
}

# One by one, so that what an interrupted call had fetched whole is not fetched again. The platform
# is named because the wheels are chosen for it, not for what the machine's pip takes it for.
fetch_wheels() {
  local machine minor requirement python platforms=()
  python=$(wheel_python)
  machine=$(uname -m)
  for minor in {17..28}; do
    platforms+=(--platform "manylinux_2_${minor}_$machine")
  done
  mkdir -p "$deps/wheels"
  for requirement in "${missing_wheels[@]}"; do
    printf '%s\n' "$requirement" >"$deps/wheels/requirement.txt"
    run_pip download --require-hashes --no-deps --only-binary=:all: --progress-bar=off \
      --python-version="$python" --platform "manylinux2014_$machine" "${platforms[@]}" \
      --dest "$deps/wheels" -r "$deps/wheels/requirement.txt"
  done
}

unpack_wheels() {
  # Another version goes with all that it brought: files of two versions do not mix.
  if [[ "${missing_wheels[*]}" == torch==* ]]; then
    rm -rf -- "$site"
  fi
  local requirement name wheels=()
  for requirement in "${missing_wheels[@]}"; do
    name=${requirement%% *}
    name=${name//-/_}
    wheels+=("$deps/wheels/${name/==/-}"-*.whl)
  done
  mkdir -p "$site"
  "$(find_python)" "$root/scripts/lib/unpack_wheels.py" "$site" "${wheels[@]}"
  rm -rf -- "$deps/wheels" "$deps/tmp"
}
