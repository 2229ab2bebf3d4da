# oneTBB under ThreadSanitizer, in $deps/tbb-tsan, from the source package of the Debian package that
# is installed. ThreadSanitizer sees only code that was compiled with it: with the usual library it
# would take every hand-over between threads for a race.
tbb_tsan=$deps/tbb-tsan

has_tbb_tsan() { [[ -e $tbb_tsan/lib/cmake/TBB/TBBConfig.cmake ]]; }

# Where the library is that the tests are to be run with, for LD_LIBRARY_PATH.
tbb_tsan_dir() { printf '%s\n' "$tbb_tsan/lib"; }

# Package lists of sources are kept apart: the system's own stay as they are.
fetch_tbb_source() {
  local lists=$1/lists sources=$1/sources version
  version=$(dpkg-query -W -f '${source:Version}' libtbb-dev)
  mkdir -p "$lists/partial" "$sources"
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ ! -e $file ]] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$sources/${file##*/}"
  done
  [[ ! -e /etc/apt/sources.list ]] ||
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$sources/sources.list"
  local apt=(apt-get -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$sources"
    -o "Dir::State::lists=$lists" -o APT::Sandbox::User=root)
  "${apt[@]}" update
  cd "$1" && "${apt[@]}" source --download-only "onetbb=$version"
}

build_tbb_tsan() {
  local work=$deps/tbb-tsan.work patch
  rm -rf -- "$work" && mkdir -p "$work/source"
  fetch_tbb_source "$work"
  tar xJf "$work"/onetbb_*.orig.tar.xz -C "$work/source" --strip-components=1
  tar xJf "$work"/onetbb_*.debian.tar.xz -C "$work/source"
  while read -r patch _; do
    [[ -z $patch || $patch == '#'* ]] || patch -d "$work/source" -p1 -s <"$work/source/debian/patches/$patch"
  done <"$work/source/debian/patches/series"
  cmake -S "$work/source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DTBB_TEST=OFF -DTBB_STRICT=OFF -DTBB_SANITIZE=thread -DTBBMALLOC_BUILD=OFF \
    -DTBB_DISABLE_HWLOC_AUTOMATIC_SEARCH=ON -DCMAKE_INSTALL_LIBDIR=lib \
    -DCMAKE_INSTALL_PREFIX="$tbb_tsan"
  cmake --build "$work/build"
  cmake --install "$work/build"
  rm -rf -- "$work"
}
