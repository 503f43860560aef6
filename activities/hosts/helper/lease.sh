lease_take() {
  cluster='' uid='' asked='' server='' workflow='' run='' operation='' actor='' since='' sha256='' break='' seen=0
  for pair; do
    want_line "${pair%%=*}" "$pair"
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
      seen=*) seen=$value ;;
      *) usage "lease take does not know '$pair'" ;;
    esac
  done
  want_number generation "$asked"
  want_number seen "$seen"
  for needed in "$cluster" "$uid" "$server" "$workflow" "$run"; do
    [ -n "$needed" ] || usage 'lease take needs cluster, uid, server, workflow and run'
  done

  # A host that was given back whole must not be claimed again by somebody who saw it before that.
  [ "$seen" = 0 ] || [ -d "$record" ] || refuse "$FENCED" 0 "it was given back after it had generation $seen"
  [ -d "$record" ] || mkdir -p "$record"
  lock
  read_record
  token_generation=$asked token_step=takeLease token_attempt=0
  [ -z "$cluster_uid" ] || [ "$cluster_uid" = "$uid" ] || refuse "$FOREIGN" "$cluster_name" "$cluster_uid"
  refuse_foreign_lease
  install_helper
  parts=''
  if [ "$lease_server $lease_run $lease_generation" != "$server $run $asked" ]; then
    [ "$seen" -le "$generation" ] || refuse_late "it was given back after it had generation $seen"
    [ "$asked" -gt "$generation" ] || refuse_late "generation $asked is not above it"
    write_lease
  fi
  # Also where the lease was ours already: the attempt that wrote it may have died before this.
  put_part generation "$asked"
  finish_parts
  end_jobs below "$asked"
  say_record
}

# An unreleased lease is passed on to its own run, to a later run of its workflow (one workflow ID never has two running runs), and to
# whoever names the run that is to lose it.
refuse_foreign_lease() {
  [ -f "$record/lease" ] || return 0
  [ "$lease_server $lease_workflow" != "$server $workflow" ] || return 0
  [ -z "$break" ] || [ "$lease_run" != "$break" ] || return 0
  say_lease
  refuse "$LOCKED"
}

write_lease() {
  if [ -z "$cluster_uid" ]; then
    put_part cluster "$uid" "$cluster"
  fi
  put_part lease "generation$TAB$asked" "server$TAB$server" "workflow$TAB$workflow" "run$TAB$run" "operation$TAB$operation" \
    "actor$TAB$actor" "since$TAB$since"
}

# put_part NAME LINE...: writes a file of the record beside its place, for finish_parts.
put_part() {
  parts="$parts $1"
  part=$record/$1
  shift
  put_beside "$part" "$@"
}

# Syncs the parts in one go, and puts them in their places in their order: the cluster, the lease, the generation.
finish_parts() {
  set --
  for part in $parts; do set -- "$@" "$record/$part.new"; done
  sync "$@"
  for part in $parts; do
    mv -f "$record/$part.new" "$record/$part"
    case $part in
      cluster) effect host.claimed "$cluster $uid" ;;
      lease) effect lease.taken "run $run by $actor" ;;
    esac
  done
}

# The bootstrap (activities/hosts/helper.ts) runs the new helper from a file beside the installed one: here it takes its place.
install_helper() {
  [ -n "$sha256" ] || return 0
  read_digest "$root/bin/redisforge-host"
  helper_digest=$sha256
  [ "$digest" != "$sha256" ] || return 0
  # Where it is root's, the login may read and run it (by sudo) and not write it; and the nodes' own account passes by on its way.
  if [ "$(id -u)" = 0 ]; then
    chown root:root "$root" "$root/bin"
    chmod 711 "$root"
    chmod 755 "$root/bin" "$0"
  else
    chmod 700 "$0"
  fi
  sync "$0"
  mv -f "$0" "$root/bin/redisforge-host"
  effect helper.installed "$sha256"
}

# Looks at the token as `begin` does, and is content where this operation has released it already.
lease_release() {
  lock
  read_record
  if [ -n "$by_hand" ]; then
    token_generation=$generation token_step=by-hand:$by_hand token_attempt=0
  else
    [ -n "$token_generation" ] || usage 'this verb changes the host: it needs a token'
    [ "$token_generation" = "$generation" ] || refuse_late "generation $token_generation is not the newest"
    [ ! -f "$record/lease" ] || begin_run
    begin_attempt
  fi
  [ -f "$record/lease" ] || return 0
  [ -z "${1-}" ] || [ "$1" = "$lease_run" ] || refuse "$NOT_NOW" "run $lease_run holds the lease by now"
  end_jobs of "$generation"
  rm -f "$record/lease"
  effect lease.released "run $lease_run"
}

identities() {
  verb=identities_record
  if [ "$1" = forget ]; then
    verb=identities_forget
    shift
  fi
  for pair; do
    want_number port "${pair%%=*}"
    case ${pair#*=} in '' | *[!0-9a-f]*) usage "'${pair#*=}' is no ID of a node" ;; esac
  done
  begin
  for pair; do "$verb" "${pair%%=*}" "${pair#*=}"; done
}

identities_record() {
  ! has_line "$record/forgotten" "$1 $2" || take_line "$record/forgotten" "$1 $2"
  ! has_line "$record/identities" "$1 $2" || return 0
  known=''
  [ ! -f "$record/identities" ] || known=$(awk -v port="$1" 'NF && $1 != port' "$record/identities")
  put_safely "$record/identities" "${known:+$known
}$1 $2"
  effect identity.recorded "$1 $2"
}

# The node may be reset from here on: a start finds another identity then, and nobody's data is missed.
identities_forget() {
  ! has_line "$record/forgotten" "$1 $2" || return 0
  note_forgotten "$1" "$2"
  effect identity.forgotten "$1 $2"
}
