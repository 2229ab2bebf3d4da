#!/bin/sh
# make_shards.sh TEXTS FOLDER [JOBS]
# Teacher data: 240 shards, each line of TEXTS spoken by one of the four voices in turn.
# The test set instead, every line by every voice: make_shards.sh --all TEXTS FOLDER [JOBS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
all=
if [ "${1:-}" = --all ]; then all=yes; shift; fi
[ $# -ge 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
texts=$1 folder=$2 jobs=${3:-$(nproc)}
make -s -C "$here" teacher
mkdir -p "$folder"

jobs_list() {
  speaker=0
  for voice in slt rms awb kal16; do
    if [ "$all" ]; then
      echo "$voice $speaker $texts 0 1 $folder/$voice.bin $folder"
    else
      for part in $(seq -w 0 59); do
        first=$((speaker + 4 * ${part#0}))
        echo "$voice $speaker $texts $first 240 $folder/${part}_$voice.bin"
      done
    fi
    speaker=$((speaker + 1))
  done
}

jobs_list | sort -k4n | xargs -P "$jobs" -L 1 "$here/teacher"
