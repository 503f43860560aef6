#!/usr/bin/env bash
# Compiles to dist/, with what is no TypeScript beside it, and bundles the workflows. Ends at once where nothing was changed.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

SOURCES="domain workflows activities workers starters config lab types"
DONE=dist/.done

up_to_date() {
  [ -e $DONE ] || return 1
  # Folders count too: they change when a file in them is removed. A folder of parts not there yet is no reason to stop.
  # shellcheck disable=SC2086
  [ -z "$(find $SOURCES tsconfig.json tsconfig.build.json package-lock.json -newer $DONE -print -quit)" ]
}

# Compiled files whose source is gone would still be found by an import.
remove_stale() {
  local compiled source
  while IFS= read -r compiled; do
    source=${compiled#dist/}
    case $source in workflow-bundle.js) continue ;; esac
    [ -e "${source%.js}.ts" ] || rm -f "$compiled" "$compiled.map"
  done < <(find dist -name '*.js')
}

copy_assets() {
  # shellcheck disable=SC2086
  find $SOURCES -type f ! -name '*.ts' -exec cp --parents --preserve=mode -t dist {} +
}

mkdir -p dist
exec 9>dist/.lock
flock 9
if up_to_date; then exit 0; fi
say "Building ..."
started=$(mktemp dist/.started.XXXXXX)
trap 'rm -f "$started"' EXIT
# The compiler takes its record of the last build for the truth even where its output is gone.
[ -e $DONE ] || rm -f dist/.tsbuildinfo
node_modules/.bin/tsc -p tsconfig.build.json >&2
remove_stale
copy_assets
# The bundler tells a lot on a good day too.
node dist/workers/build-bundle.js >dist/bundle.log 2>&1 || {
  cat dist/bundle.log >&2
  exit 1
}
mv "$started" $DONE
