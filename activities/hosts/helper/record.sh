# Sets cluster_name, cluster_uid, lease_* and generation. A lease is written before the generation that it raises, so the higher one counts.
read_record() {
  cluster_name='' cluster_uid='' generation=0
  lease_generation=0 lease_server='' lease_workflow='' lease_run='' lease_operation='' lease_actor='' lease_since=''
  if [ -f "$record/cluster" ]; then
    { read -r cluster_uid && read -r cluster_name; } <"$record/cluster"
  fi
  [ ! -f "$record/generation" ] || read -r generation <"$record/generation"
  [ -f "$record/lease" ] || return 0
  while IFS=$TAB read -r key value; do
    case $key in
      generation) lease_generation=$value ;;
      server) lease_server=$value ;;
      workflow) lease_workflow=$value ;;
      run) lease_run=$value ;;
      operation) lease_operation=$value ;;
      actor) lease_actor=$value ;;
      since) lease_since=$value ;;
    esac
  done <"$record/lease"
  [ "$lease_generation" -le "$generation" ] || generation=$lease_generation
}

say_lease() {
  say lease "$lease_generation" "$lease_server" "$lease_workflow" "$lease_run" "$lease_operation" "$lease_actor" "$lease_since"
}

say_record() {
  read_record
  [ -n "${helper_digest-}" ] || { read_digest "$root/bin/redisforge-host" && helper_digest=$digest; }
  say helper "$helper_digest"
  [ -z "$cluster_uid" ] || say cluster "$cluster_name" "$cluster_uid"
  say generation "$generation"
  [ ! -f "$record/lease" ] || say_lease
  [ ! -f "$record/identities" ] || while read -r port id; do say identity "$port" "$id"; done <"$record/identities"
  [ ! -f "$record/forgotten" ] || while read -r port id; do say forgotten "$port" "$id"; done <"$record/forgotten"
}

# read_identity PORT: sets identity to what the node there was when it was last a member; empty where it never was.
read_identity() {
  identity=''
  [ -f "$record/identities" ] || return 0
  while read -r known_port known_id; do
    [ "$known_port" != "$1" ] || identity=$known_id
  done <"$record/identities"
}

# has_line FILE LINE
has_line() {
  [ -f "$1" ] || return 1
  while IFS= read -r found; do
    [ "$found" != "$2" ] || return 0
  done <"$1"
  return 1
}

# take_line FILE LINE: takes it out; a file that would be empty goes.
take_line() {
  kept=$(awk -v line="$2" '$0 != line' "$1")
  if [ -n "$kept" ]; then put_safely "$1" "$kept"; else rm -f "$1"; fi
}

# note_forgotten PORT ID
note_forgotten() {
  if [ -f "$record/forgotten" ]; then
    put_safely "$record/forgotten" "$(cat "$record/forgotten")" "$1 $2"
  else
    put_safely "$record/forgotten" "$1 $2"
  fi
}

# All that changes the host happens between lock and unlock (or the end of this process). The lock is on descriptor 9.
lock() {
  # From here on the caller's death must not stop us half way. A handler, not '': children keep the default.
  trap : HUP PIPE
  [ -d "$record" ] || refuse "$FENCED" 0 'the host has no record: it was given back, or was never taken'
  exec 9>"$record/lock"
  deadline_in 10000
  until flock -n 9; do
    nap || refuse "$BUSY"
  done
  now=''
}

# Sets now, once under a lock: most commands that change nothing do not need it.
read_now() {
  [ -n "$now" ] || now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
}

unlock() {
  exec 9>&-
}

# begin: the start of every verb that changes the host. Locks, then checks the token against the record.
begin() {
  lock
  read_record
  if [ -n "$by_hand" ]; then
    begin_by_hand
    return
  fi
  [ -n "$token_generation" ] || usage 'this verb changes the host: it needs a token'
  [ "$token_generation" = "$generation" ] || refuse_late "generation $token_generation is not the newest"
  [ -f "$record/lease" ] || refuse_late 'the lease was released: that operation has ended'
  begin_run
  begin_attempt
}

# A run that was reset in Temporal goes on under another run ID with the generation of the run that it was made of.
begin_run() {
  [ -z "$token_run" ] || [ "$token_run" = "$lease_run" ] ||
    refuse_late "run $token_run does not hold the lease, run $lease_run does"
}

# refuse_late WHY: the token is old. Noted beside the journal, which holds only what was done.
refuse_late() {
  note_refusal "$1" 2>/dev/null || :
  refuse "$FENCED" "$generation" "$1"
}

note_refusal() {
  read_now
  printf '%s\t%s\t%s\t%s\t%s\n' "$now" "$token_generation" "$token_step" "$token_attempt" "$1" >>"$record/refusals"
  [ "$(stat -c %s "$record/refusals")" -le "$MOST_REFUSAL_BYTES" ] || put "$record/refusals" "$(tail -n 200 "$record/refusals")"
}

begin_by_hand() {
  if [ -f "$record/lease" ] && [ -z "$forced" ]; then
    say_lease
    refuse "$LOCKED"
  fi
  token_generation=$generation token_step=by-hand:$by_hand token_attempt=0
}

# An older attempt of the same step may still be on its way; the newest one seen decides.
begin_attempt() {
  seen=$token_step
  while :; do
    case $seen in */*) seen=${seen%%/*}%${seen#*/} ;; *) break ;; esac
  done
  seen="$record/attempts/$seen"
  seen_generation=0 seen_attempt=0
  [ ! -s "$seen" ] || read -r seen_generation seen_attempt <"$seen"
  if [ "$seen_generation" = "$token_generation" ]; then
    [ "$token_attempt" -ge "$seen_attempt" ] ||
      refuse_late "attempt $token_attempt of step $token_step came after attempt $seen_attempt"
    [ "$token_attempt" -gt "$seen_attempt" ] || return 0
  fi
  [ -d "$record/attempts" ] || mkdir "$record/attempts"
  printf '%s %s\n' "$token_generation" "$token_attempt" >"$seen"
}

# effect NAME DETAIL: what was just done, to the journal first, then to the caller.
effect() {
  read_plain "$2"
  read_now
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$now" "$token_generation" "$token_step" "$token_attempt" "$1" "$plain" >>"$record/journal"
  say effect "$1" "$plain"
}
