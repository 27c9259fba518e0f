#!/usr/bin/env bash
# The whole test run: scripts/run_tests.sh .venv/bin/python
#
# One after the other with TESTERS=1, otherwise in two stages:
#
#   side by side   every test that no clock decides, in $TESTERS processes
#   alone          the tests marked `timed`, one after the other, with the machine to themselves
#
# Both stages run also where the first one fails; the last lines say how each ended.
set -uo pipefail
cd "$(dirname "$0")/.."
python="${1:-.venv/bin/python}"
failed=0
told=()

stage() {
  local name="$1" begun=$SECONDS ended=0
  shift
  "$python" -m pytest "$@" || ended=$?
  [ "$ended" -eq 0 ] || failed=1
  told+=("$(printf '%-14s %s after %d s' "$name" "$([ "$ended" -eq 0 ] && echo passed || echo "FAILED (exit $ended)")" $((SECONDS - begun)))")
}

if [ "${TESTERS:=2}" -eq 1 ]; then
  exec "$python" -m pytest
fi
# Two threads each on two cores wait for each other: one thread a process.
OMP_NUM_THREADS=1 stage "side by side" -n "$TESTERS" --dist loadscope --no-loadscope-reorder -m "not timed"
stage "alone" -m timed
printf '%s\n' "" "${told[@]}"
exit "$failed"
