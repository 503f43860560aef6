#!/usr/bin/env bash
# All checks and all tests. The last line is `N passed, N failed` over everything; what could not run counts as failed. One thing may be left out, and
# is named then: the container tests, on a machine without a container engine. CONTAINERS=required makes that a failure.
set -uo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

RESULTS=.vitest-results
rm -rf $RESULTS && mkdir -p $RESULTS/checks

# check NAME COMMAND...: leaves NAME.log, and NAME.failed where it failed.
check() {
  local name=$1
  shift
  if "$@" >"$RESULTS/checks/$name.log" 2>&1; then
    say "  ok      $name"
  else
    touch "$RESULTS/checks/$name.failed"
    say "  FAILED  $name"
  fi
}

# The tests in test/containers need an engine that answers and the image of the lab's hosts. Nobody is asked for a password here.
containers() {
  local reason
  reason=$(timeout 20 docker info --format '{{.ServerVersion}}' 2>&1 >/dev/null) || { echo "no container engine answers: $reason" && return 1; }
  YES=1 scripts/lab-image.sh
}

containers_where_possible() {
  if containers >$RESULTS/containers.log 2>&1; then
    say "  ok      containers"
    return
  fi
  say "  LEFT OUT  the tests in test/containers: $(tail -n 2 $RESULTS/containers.log | tr -s '\n ' ' ')"
  mv $RESULTS/containers.log $RESULTS/containers.left-out
}

bin=node_modules/.bin
say "Checks"
# Two at a time, of about the same length.
{
  check types $bin/tsc -p tsconfig.json
  check format $bin/biome format .
  check walls $bin/depcruise --config .dependency-cruiser.cjs domain workflows activities workers starters config lab
} &
{
  check lint $bin/eslint . --max-warnings 0
  check unused $bin/knip
} &
# Making the image mostly waits for packages.
if [ "${1:-}" != --checks-only ]; then
  if [ "${CONTAINERS:-}" = required ]; then check containers containers & else containers_where_possible & fi
fi
wait

if [ "${1:-}" != --checks-only ]; then
  selected=()
  for absent in checks/containers.failed containers.left-out; do
    [ ! -e $RESULTS/$absent ] || selected=(--project '!containers')
  done
  $bin/vitest run ${selected[@]+"${selected[@]}"} --reporter=default --reporter=json --outputFile.json=$RESULTS/vitest.json >&2
  echo $? >$RESULTS/vitest.exit
fi
node scripts/count-results.cjs $RESULTS
