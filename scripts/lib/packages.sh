# The Debian packages of scripts/packages.txt.
missing_packages=()

is_debian() { command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; }

has_tool() {
  case $1 in
    -) return 1 ;;
    pip) ((${#missing_wheels[@]} == 0)) || python3 -m pip --version >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

find_missing_packages() {
  missing_packages=()
  [[ ${FLOWTTS_PACKAGES-} != skip ]] || return 0
  local package tool installed=''
  if is_debian; then
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null)
  fi
  while read -r package tool _; do
    [[ -n $package && $package != '#'* ]] || continue
    [[ $'\n'$installed$'\n' != *$'\n'"installed $package"$'\n'* ]] || continue
    ! has_tool "$tool" || continue
    missing_packages+=("$package")
  done <"$root/scripts/packages.txt"
  is_debian || check_foreign_system
}

# Neither Debian nor Ubuntu: the tools must be there; what libraries are missing, CMake says.
check_foreign_system() {
  local tools=() package tool
  while read -r package tool _; do
    [[ $package == '#'* || -z $package || $tool == - || $tool == ccache ]] && continue
    has_tool "$tool" || tools+=("$tool")
  done <"$root/scripts/packages.txt"
  missing_packages=()
  ((${#tools[@]} == 0)) || die "this is neither Debian nor Ubuntu, where packages are installed for
  you, and these commands are missing: ${tools[*]}.
  Install them (g++ 12, CMake 3.25, ninja, Python's pip), and the libraries that the next call names."
}

# Sets $as_root to what makes a command run as root; ends with what to do where nothing does.
find_root() {
  as_root=()
  ((EUID != 0)) || return 0
  as_root=(sudo)
  command -v sudo >/dev/null && sudo -n true 2>/dev/null && return 0
  if command -v sudo >/dev/null && [[ -t 0 && -t 2 ]]; then
    say "packages are to be installed: ${missing_packages[*]}"
    sudo -v && return 0
  fi
  die "these packages are missing, and only root may install them:
    apt-get update && apt-get install --no-install-recommends ${missing_packages[*]}
  Run that as root, then this again. Or bring the libraries yourself: with FLOWTTS_PACKAGES=skip
  nothing is installed, CMake names each library that it cannot find and the variable that points
  to yours, and FLOWTTS_CMAKE_ARGS='-DTBB_DIR=...' passes them on."
}

install_packages() {
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
    apt-get -y -o DPkg::Lock::Timeout=300)
  # One unreachable source among several is no reason to stop: the others may have all of it.
  "${apt[@]}" update || echo 'apt-get update failed; trying with the lists as they are'
  local package unknown=()
  for package in "${missing_packages[@]}"; do
    apt-cache show --no-all-versions "$package" >/dev/null 2>&1 || unknown+=("$package")
  done
  if ((${#unknown[@]} > 0)); then
    echo
    echo "The package sources of this machine do not have: ${unknown[*]}."
    echo 'FlowTTS is tried on Debian 12 and Ubuntu 24.04 (there with "universe"). Elsewhere: install'
    echo 'these libraries by your own means, call with FLOWTTS_PACKAGES=skip, and pass their places'
    echo "as CMake variables: FLOWTTS_CMAKE_ARGS='-DTBB_DIR=... -DCMAKE_PREFIX_PATH=...'."
    return 1
  fi
  "${apt[@]}" install --no-install-recommends "${missing_packages[@]}"
}
