# Steps that tell what they do: a line before, a log, the log's end where one fails. Sourced with
# $root set to the checkout.
setup_dir=$root/build/setup
step_number=0
step_total=0

say() { printf 'flowtts: %s\n' "$*" >&2; }

# An environment that cannot do it: exit status 3, as the program's own.
die() {
  say "$@"
  exit 3
}

# step TITLE EXPECTED COMMAND...: runs the command, its output in build/setup/COMMAND.log.
step() {
  local title=$1 expected=$2 log=$setup_dir/${3//_/-}.log start=$SECONDS status=0
  shift 2
  step_number=$((step_number + 1))
  say "[$step_number/$step_total] $title ($expected)"
  if [[ -t 2 ]]; then
    show_progress "$log" &
    ticker=$!
  fi
  # Not in a condition, where bash would ignore `set -e` inside the command.
  set +e
  (set -e && "$@") >"$log" 2>&1 </dev/null
  status=$?
  set -e
  stop_ticker
  if ((status != 0)); then
    say "[$step_number/$step_total] $title: failed with status $status. The end of $log:"
    tail -n 40 -- "$log" | cut -c 1-300 | sed 's/^/  | /' >&2
    die "the whole log: $log"
  fi
  say "[$step_number/$step_total] done in $((SECONDS - start)) s"
}

ticker=
stop_ticker() {
  [[ -n $ticker ]] || return 0
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  ticker=
  printf '\r\033[K' >&2
}
trap stop_ticker EXIT

# On a terminal only: the seconds that have passed, and the log's last line or how much has come of
# what is fetched.
show_progress() {
  local start=$SECONDS line
  while sleep 1; do
    line=$(tail -c 400 -- "$1" 2>/dev/null | tr '\r' '\n' | tail -n 1)
    if [[ -d ${fetch_dir-} && $1 == *fetch* ]]; then
      line="$(du -sm -- "$fetch_dir" 2>/dev/null | cut -f1) MB"
    fi
    printf '\r\033[K  %d s  %.70s' "$((SECONDS - start))" "$line" >&2
  done
}

# Waits until no other call in this checkout is setting up or building.
take_lock() {
  mkdir -p "$setup_dir" 2>/dev/null && [[ -w $setup_dir ]] ||
    die "cannot write to $setup_dir, and the program is to be built."
  command -v flock >/dev/null || return 0
  exec {lock}>"$setup_dir/lock"
  flock -n "$lock" && return 0
  say "another call is setting up or building here: waiting for it"
  flock "$lock"
}

release_lock() {
  [[ -z ${lock-} ]] || exec {lock}>&-
}
