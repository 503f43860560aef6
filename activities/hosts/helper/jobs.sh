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
  read_unit "$folder"
  read_job_owner "$folder"
  # One that ended in an operation before says nothing of how things are now.
  if [ -f "$folder/argv" ] && { [ "$unit" = running ] || [ "$job_generation" -ge "$token_generation" ]; }; then
    [ "$(cat "$folder/argv")" = "$command" ] || refuse "$NOT_NOW" "a job of this name has another command: clean it first"
    [ "$unit" = absent ] || return 0
  fi
  mkdir -p "$folder"
  put "$folder/argv" "$command"
  if [ -n "$by_hand" ]; then job_run=by-hand:$by_hand; else job_run=$lease_run; fi
  put "$folder/owner" "$token_generation $job_run"
  launch "$folder" "$folder/argv" "$folder/output" 0
  effect job.started "$name pid $unit_pid"
}

job_status() {
  folder="$root/jobs/$1"
  say_job "$folder"
  [ ! -f "$folder/output" ] || tail -n 20 "$folder/output" | while IFS= read -r logged; do say_logged "$logged"; done
}

# say_logged LINE: a line of a job's output. Where the job is this program, the line has fields of its own: each stays one.
say_logged() {
  rest=$1
  set -- output
  while :; do
    case $rest in
      *"$TAB"*)
        set -- "$@" "${rest%%"$TAB"*}"
        rest=${rest#*"$TAB"}
        ;;
      *) break ;;
    esac
  done
  say "$@" "$rest"
}

# say_job FOLDER: its state, and the generation and run that it was started for.
say_job() {
  read_unit "$1"
  read_job_owner "$1"
  say job "${1##*/}" "$unit" "$unit_pid" "$unit_code" "$unit_time" "$job_generation" "$job_run"
}

# Sets job_generation and job_run (`by-hand:NAME` for a person's).
read_job_owner() {
  job_generation=0 job_run=-
  [ ! -s "$1/owner" ] || read -r job_generation job_run <"$1/owner"
}

# end_jobs below|of GENERATION: a job ends with its operation. All of them are asked to, and who does not within the grace is killed, with all
# that it has started; a person's jobs are left.
end_jobs() {
  ending=''
  for folder in "$root"/jobs/*; do
    [ -d "$folder" ] || continue
    read_job_owner "$folder"
    [ "$1:$job_generation" = "of:$2" ] || { [ "$1" = below ] && [ "$job_generation" -lt "$2" ]; } || continue
    case $job_run in by-hand:*) continue ;; esac
    read_unit "$folder"
    [ "$unit" = running ] || continue
    put "$folder/stop" "$unit_pid"
    signal_job TERM "$unit_pid" || :
    effect job.ended "${folder##*/} pid $unit_pid of generation $job_generation"
    ending="$ending $unit_pid:${folder##*/}"
  done
  deadline_in "$JOB_GRACE_MS"
  for job in $ending; do
    while signal_job 0 "${job%%:*}"; do
      nap && continue
      signal_job KILL "${job%%:*}" || :
      effect job.killed "${job#*:} pid ${job%%:*}"
      break
    done
  done
}

# signal_job SIGNAL PID: to the job and all that it has started; false where nobody is left.
signal_job() {
  kill "-$1" "-$2" 2>/dev/null || kill "-$1" "$2" 2>/dev/null
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
