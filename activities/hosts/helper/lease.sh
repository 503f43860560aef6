lease_take() {
  cluster='' uid='' asked='' server='' workflow='' run='' operation='' actor='' since='' sha256='' break=''
  for pair; do
    value=${pair#*=}
    case $pair in
      cluster=*) cluster=$value ;;
      uid=*) uid=$value ;;
      generation=*) asked=$value ;;
      server=*) server=$value ;;
      workflow=*) workflow=$value ;;
      run=*) run=$value ;;
      operation=*) operation=$value ;;
      actor=*) actor=$value ;;
      since=*) since=$value ;;
      sha256=*) sha256=$value ;;
      break=*) break=$value ;;
      *) usage "lease take does not know '$pair'" ;;
    esac
  done
  want_number generation "$asked"
  for needed in "$cluster" "$uid" "$server" "$workflow" "$run"; do
    [ -n "$needed" ] || usage 'lease take needs cluster, uid, server, workflow and run'
  done

  mkdir -p "$record"
  lock
  read_record
  token_generation=$asked token_step=takeLease token_attempt=0
  [ -z "$cluster_uid" ] || [ "$cluster_uid" = "$uid" ] || refuse "$FOREIGN" "$cluster_name" "$cluster_uid"
  refuse_foreign_lease
  install_helper
  if [ "$lease_server $lease_run $lease_generation" != "$server $run $asked" ]; then
    [ "$asked" -gt "$generation" ] || refuse "$FENCED" "$generation" "generation $asked is not above it"
    write_lease
  fi
  # Also where the lease was ours already: the attempt that wrote it may have died before this.
  printf '%s\n' "$asked" | put_safely "$record/generation"
  say_record
}

# An unreleased lease is passed on to its own run, to a later run of its workflow (one workflow ID never has two running runs), and to
# whoever names the run that is to lose it.
refuse_foreign_lease() {
  [ -f "$record/lease" ] || return 0
  [ "$lease_server $lease_workflow" != "$server $workflow" ] || return 0
  [ "$lease_run" != "$break" ] || return 0
  say_lease
  refuse "$LOCKED"
}

write_lease() {
  if [ -z "$cluster_uid" ]; then
    printf '%s\n%s\n' "$uid" "$cluster" | put_safely "$record/cluster"
    effect host.claimed "$cluster $uid"
  fi
  printf '%s\t%s\n' generation "$asked" server "$server" workflow "$workflow" run "$run" operation "$operation" actor "$actor" \
    since "$since" | put_safely "$record/lease"
  effect lease.taken "run $run by $actor"
}

# The bootstrap (activities/hosts/helper.ts) runs the new helper from a file beside the installed one: here it takes its place.
install_helper() {
  [ -n "$sha256" ] || return 0
  read_digest "$root/bin/redisforge-host"
  [ "$digest" != "$sha256" ] || return 0
  chmod 700 "$0"
  sync "$0"
  mv -f "$0" "$root/bin/redisforge-host"
  effect helper.installed "$sha256"
}

lease_release() {
  lock
  read_record
  [ -f "$record/lease" ] || return 0
  if [ -z "$by_hand" ] && [ "$token_generation" != "$generation" ]; then
    refuse "$FENCED" "$generation" "generation $token_generation is not the newest"
  fi
  if [ -n "$by_hand" ]; then
    token_generation=$generation token_step=by-hand:$by_hand token_attempt=0
  fi
  rm -f "$record/lease"
  effect lease.released "run $lease_run"
}

identities() {
  begin
  known=''
  [ ! -f "$record/identities" ] || known=$(cat "$record/identities")
  for pair; do
    port=${pair%%=*} id=${pair#*=}
    want_number port "$port"
    case "
$known
" in *"
$port $id
"*) continue ;; esac
    known=$(printf '%s\n' "$known" | awk -v port="$port" -v id="$id" 'NF && $1 != port { print } END { print port, id }')
    printf '%s\n' "$known" | put_safely "$record/identities"
    effect identity.recorded "$port $id"
  done
}
