#!/usr/bin/env bash
# Runs every comparison in bench/, one after the other; each leaves a file in bench/results.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

for comparison in bench/*.ts; do
  say "$comparison"
  node --import tsx "$comparison"
done
