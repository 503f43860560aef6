# What a crashed operation may leave beside nodes and data: jobs, and files that were being written.

leftovers() {
  say_record
  read_seconds
  for folder in "$root"/jobs/*; do
    [ ! -d "$folder" ] || say_job "$folder"
  done
  for folder in "$root"/nodes/*; do
    [ ! -d "$folder" ] || say home "${folder##*/}"
  done
  each_unfinished say_unfinished
  [ ! -f "$record/journal" ] || say journal "$(stat -c %s "$record/journal")"
  [ ! -f "$record/refusals" ] || say refusals "$(stat -c %s "$record/refusals")"
  say end
}

# Sets seconds_now: a file's age is counted by this host's own clock.
read_seconds() {
  seconds_now=$(date +%s)
}

# each_unfinished FUNCTION: calls it for each file that is put beside its place until it is whole.
each_unfinished() {
  for unfinished in "$root"/bin/.incoming.* "$record"/*.new "$record"/attempts/*.new "$record/instructions" "$root"/nodes/*/*.new \
    "$root"/nodes/*/run/*.new "$root"/jobs/*/*.new "$root"/engines/.incoming.* "$root"/engines/.*.part; do
    [ ! -f "$unfinished" ] || "$1" "$unfinished" $((seconds_now - $(stat -c %Y "$unfinished")))
  done
}

say_unfinished() {
  say unfinished "${1#"$root/"}" "$2"
}

# sweep SECONDS. By hand only where no operation holds the host: `begin` sees to it.
sweep() {
  want_number SECONDS "$1"
  oldest=$1
  begin
  end_jobs below $((generation + 1))
  for folder in "$root"/jobs/*; do
    [ -d "$folder" ] || continue
    read_job_owner "$folder"
    case $job_run in by-hand:*) continue ;; esac
    read_unit "$folder"
    await_note "$folder"
    [ "$unit" != running ] || continue
    rm -rf "$folder"
    effect job.cleaned "${folder##*/}"
  done
  read_seconds
  each_unfinished remove_unfinished
}

remove_unfinished() {
  [ "$2" -ge "$oldest" ] || return 0
  rm -f "$1"
  effect unfinished.removed "${1#"$root/"}"
}
