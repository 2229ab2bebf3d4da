# The launcher, on a project of one file: it builds once, builds again when a source changes, comes
# or goes, says what failed, and lets calls that start together wait for one another.
cp -r "$SOURCE_DIR/flowtts" "$SOURCE_DIR/scripts" "$SOURCE_DIR/CMakePresets.json" .
mkdir -p cmake core stages cli
cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(Probe LANGUAGES CXX)
file(GLOB sources CONFIGURE_DEPENDS core/*.cc cli/*.cc)
add_executable(flowtts ${sources})
set_target_properties(flowtts PROPERTIES RUNTIME_OUTPUT_DIRECTORY cli)
CMAKE
cat >cli/main.cc <<'CC'
#include <cstdio>
#include <cstdlib>
int answer();
int main(int argc, char** argv) {
  std::printf("%d %s %s\n", answer(), argc > 1 ? argv[1] : "", std::getenv("OMP_WAIT_POLICY"));
  return 7;
}
CC
echo 'int answer() { return 1; }' >core/answer.cc

export FLOWTTS_PACKAGES=skip FLOWTTS_GPU=off FLOWTTS_TORCH_DIR
FLOWTTS_TORCH_DIR=$(sed -n 's/^FLOWTTS_TORCH_DIR:PATH=//p' "$BUILD_DIR/CMakeCache.txt")
unset OMP_WAIT_POLICY FLOWTTS_DEPS_DIR FLOWTTS_CMAKE_ARGS

# expect STATUS OUTPUT STEPS: what one call of the launcher must end with, print, and do.
expect() {
  local status=0 output steps
  output=$(./flowtts 'an argument' 2>messages) || status=$?
  steps=$(grep -c 'done in' messages || true)
  if [[ "$status|$output|$steps" != "$1|$2|$3" ]]; then
    echo "line ${BASH_LINENO[0]}: expected '$1|$2|$3' but got '$status|$output|$steps'; it said:"
    cat messages
    exit 1
  fi
}
changed() { sleep 0.02; }  # Longer than a file system's clock tick.

# Two first calls at once: one builds, the other waits, both run.
call() {
  local status=0
  ./flowtts "$1" >"$1.out" 2>"$1.messages" || status=$?
  [[ $status == 7 ]]
}
call one &
call two
wait $!
[[ "$(cat one.out two.out)" == $'1 one passive\n1 two passive' ]]
[[ $(cat one.messages two.messages | grep -c 'done in') == 2 ]]

expect 7 '1 an argument passive' 0
changed && echo 'int answer() { return 2; }' >core/answer.cc
expect 7 '2 an argument passive' 2
expect 7 '2 an argument passive' 0
changed && mv core/answer.cc core/other.cc
expect 7 '2 an argument passive' 2
changed && echo 'int more;' >core/more.cc
expect 7 '2 an argument passive' 2
changed && rm core/more.cc
expect 7 '2 an argument passive' 2

# A LibTorch given once is remembered; a bad one is refused; another is another build.
(unset FLOWTTS_TORCH_DIR && expect 7 '2 an argument passive' 0)
(FLOWTTS_TORCH_DIR=$PWD/nowhere && expect 3 '' 0)
grep -q "FLOWTTS_TORCH_DIR is $PWD/nowhere, which has no lib/libtorch_cpu.so" messages

# What does not compile is shown, and an older program is not run in its place.
changed && echo 'int answer() { return three; }' >core/other.cc
expect 3 '' 1
grep -q "'three' was not declared\|‘three’ was not declared" messages
grep -q "the whole log: $PWD/build/setup/build.log" messages
echo 'int answer() { return 3; }' >core/other.cc
expect 7 '3 an argument passive' 2

# A link to it from elsewhere, and a checkout that was moved.
mkdir elsewhere && ln -s ../flowtts elsewhere/speak
[[ "$(elsewhere/speak 'an argument' 2>&1 || true)" == '3 an argument passive' ]]
mkdir moved && mv build cli cmake CMakeLists.txt CMakePresets.json core flowtts scripts stages moved
cd moved
expect 7 '3 an argument passive' 2
expect 7 '3 an argument passive' 0
