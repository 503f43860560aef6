want_name() {
  case $1 in '' | .* | *[!A-Za-z0-9._-]*) usage "'$1' is no name for a job" ;; esac
}

job_start() {
  name=$1 folder="$root/jobs/$1"
  shift
  [ "$1" = -- ] || usage 'job start takes a name, then -- and the command'
  shift
  for word; do
    case $word in *"
"*) usage 'an argument of a job cannot hold a line break' ;; esac
  done
  begin
  command=$(printf '%s\n' "$@")
  if [ -f "$folder/argv" ]; then
    [ "$(cat "$folder/argv")" = "$command" ] || refuse "$NOT_NOW" "a job of this name has another command: clean it first"
    read_unit "$folder"
    [ "$unit" = absent ] || return 0
  fi
  mkdir -p "$folder"
  printf '%s\n' "$command" | put "$folder/argv"
  launch "$folder" "$folder/argv" "$folder/output" 0
  effect job.started "$name pid $unit_pid"
}

job_status() {
  folder="$root/jobs/$1"
  read_unit "$folder"
  say job "$1" "$unit" "$unit_pid" "$unit_code" "$unit_time"
  [ ! -f "$folder/output" ] || tail -n 20 "$folder/output" | while IFS= read -r logged; do say output "$logged"; done
}

job_stop() {
  want_number WAIT_MS "$2"
  begin
  read_unit "$root/jobs/$1"
  [ "$unit" != running ] || ask_to_stop "$root/jobs/$1" job.stopping "$1"
  unlock
  await_end "$root/jobs/$1" "$2"
}

job_clean() {
  begin
  folder="$root/jobs/$1"
  [ -d "$folder" ] || return 0
  read_unit "$folder"
  [ "$unit" != running ] || refuse "$NOT_NOW" "it still runs (pid $unit_pid)"
  rm -rf "$folder"
  effect job.cleaned "$1"
}
