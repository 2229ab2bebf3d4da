# What `cmake --install` puts down works without the checkout: the program, its pipelines and voices,
# and the CMake package, with which a program of one's own is built.
if grep -q '^FLOWTTS_SANITIZE:[A-Z]*=.' "$BUILD_DIR/CMakeCache.txt"; then
  echo 'skipped: a program without the sanitizers cannot load a library that has them'
  exit 0
fi
cmake --install "$BUILD_DIR" --prefix "$PWD/prefix" >/dev/null
"$PWD/prefix/bin/flowtts" version
! grep -rIl "$SOURCE_DIR" prefix/lib/cmake prefix/include

mkdir consumer
cat >consumer/CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(Consumer LANGUAGES CXX)
find_package(FlowTTS 0.1 REQUIRED)
add_executable(embedding ${SOURCE})
target_link_libraries(embedding PRIVATE flowtts::flowtts)
CMAKE
cmake -S consumer -B consumer/build -G Ninja -DCMAKE_PREFIX_PATH="$PWD/prefix" \
  -DSOURCE="$SOURCE_DIR/examples/2-embedding/embedding.cc" >/dev/null
cmake --build consumer/build

out=$PWD/out
embedding=$PWD/consumer/build/embedding
cd prefix/share/flowtts
"$embedding" pipelines/align.yaml run.output="$out" \
    load.path="$SOURCE_DIR/examples/1-custom-stage/distances.json" |
  grep '^2 records: 2 written, 0 filtered, 0 failed; [1-9]'
