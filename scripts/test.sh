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
wait

if [ "${1:-}" != --checks-only ]; then
  selected=()
  if [ "${CONTAINERS:-}" != required ] && ! reason=$(docker info --format '{{.ServerVersion}}' 2>&1 >/dev/null); then
    echo "no container engine answers: $reason" >$RESULTS/containers.left-out
    selected=(--project '!containers')
  fi
  $bin/vitest run ${selected[@]+"${selected[@]}"} --reporter=default --reporter=json --outputFile.json=$RESULTS/vitest.json >&2
  echo $? >$RESULTS/vitest.exit
fi
node scripts/count-results.cjs $RESULTS
