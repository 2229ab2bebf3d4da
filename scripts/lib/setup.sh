# What ./flowtts, scripts/setup, scripts/test and scripts/sanitize share. Sourced with $root set.
# shellcheck source-path=SCRIPTDIR
source "$root/scripts/lib/steps.sh"
source "$root/scripts/lib/torch.sh"
source "$root/scripts/lib/packages.sh"
source "$root/scripts/lib/build.sh"

# set_up FURTHER_STEPS: installs what is missing. FURTHER_STEPS is how many the caller adds, for the
# numbering.
set_up() {
  find_missing_wheels
  find_missing_packages
  ((${#missing_packages[@]} == 0)) || find_root
  step_total=$1
  step_total=$((step_total + (${#missing_packages[@]} > 0) + 2 * (${#missing_wheels[@]} > 0)))
  if ((${#missing_packages[@]} > 0)); then
    say "Debian packages to install: ${missing_packages[*]}"
    step 'Debian packages' 'up to 140 MB to fetch, 520 MB on disk, half a minute' install_packages
  fi
  if ((${#missing_wheels[@]} > 0)); then
    say "LibTorch goes to $site"
    fetch_dir=$deps
    step 'LibTorch: fetch' "$(wheels_expectation)" fetch_wheels
    step 'LibTorch: unpack' 'about 20 s' unpack_wheels
  fi
}

# Installs what `flowtts voice compile` needs, where FlowTTS runs with a LibTorch that it has fetched.
set_up_to_compile() {
  with_compile=yes
  find_missing_wheels
  ((${#missing_wheels[@]} > 0)) || return 0
  take_lock
  step_number=0
  set_up 0
  release_lock
}

# set_up_and_build PRESET CPU_SECONDS: the latter is what compiling all of it takes.
set_up_and_build() {
  local expected='what has changed'
  set_up 2
  if [[ ! -e $root/build/$1/build.ninja ]]; then
    expected="the first time: about $(($2 / $(job_count) / 60 + 1)) min with $(job_count) compilers at once"
  fi
  step "configure build/$1" 'about 3 s' configure "$1"
  step "build build/$1" "$expected" build "$1"
}

# run_tests PRESET CPU_SECONDS [CTEST_ARGUMENT...]
run_tests() {
  local preset=$1 run=()
  ! has_gpu || with_compile=yes  # The tests that compile a voice need CUDA's libraries as well.
  take_lock
  set_up_and_build "$preset" "$2"
  shift 2
  release_lock
  # ThreadSanitizer cannot place its memory where the kernel randomises addresses much.
  if [[ $preset == tsan ]] && setarch "$(uname -m)" -R true 2>/dev/null; then
    run=(setarch "$(uname -m)" -R)
  fi
  exec "${run[@]}" ctest --test-dir "$root/build/$preset" --output-on-failure --no-tests=error \
    -j "$(nproc)" "$@"
}
