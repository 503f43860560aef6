# The first word is the verb's second one, as in `node start`; `:` and the number of words after it decide.

lease() {
  verb=$1
  shift
  case $verb:$# in
    take:*) lease_take "$@" ;;
    confirm:0) begin ;;
    release:[01]) lease_release "$@" ;;
    *) usage "there is no verb lease $verb with $# words" ;;
  esac
}

node() {
  verb=$1
  shift
  [ $# -eq 0 ] || want_number PORT "$1"
  case $verb:$# in
    start:[45]) node_start "$@" ;;
    accept-empty:1) node_accept_empty "$@" ;;
    guard:1) node_guard "$@" ;;
    run:1) node_run "$@" ;;
    stop:2) node_stop "$@" ;;
    remove:2) node_remove "$@" ;;
    status:1) node_status "$@" ;;
    log:1) node_log "$1" 100 ;;
    log:2) node_log "$@" ;;
    *) usage "there is no verb node $verb with $# words" ;;
  esac
}

engine() {
  verb=$1
  shift
  case $verb:$# in
    receive:2) engine_receive "$@" ;;
    build:[45]) engine_build "$@" ;;
    *) usage "there is no verb engine $verb with $# words" ;;
  esac
}

package() {
  verb=$1
  shift
  case $verb:$# in
    repository:[0-3]) usage 'package repository takes at least a manager, an ID, a digest and an address' ;;
    repository:*) package_repository "$@" ;;
    install:[56]) package_install "$@" ;;
    *) usage "there is no verb package $verb with $# words" ;;
  esac
}

job() {
  verb=$1
  shift
  [ $# -eq 0 ] || want_name "$1"
  case $verb:$# in
    start:[012]) usage 'job start takes a name, then -- and the command' ;;
    start:*) job_start "$@" ;;
    stop:2) job_stop "$@" ;;
    status:1) job_status "$@" ;;
    clean:1) job_clean "$@" ;;
    *) usage "there is no verb job $verb with $# words" ;;
  esac
}

# newer SHA256 VERB...: runs the helper that comes on stdin in the place of this one, so that who may run this one by sudo needs no other right.
newer() {
  sha256=$1
  shift
  incoming=$(mktemp "$root/bin/.incoming.XXXXXX" 2>/dev/null) || incoming=$(mktemp)
  trap 'rm -f "$incoming"' EXIT
  cat >"$incoming"
  read_digest "$incoming"
  [ "$digest" = "$sha256" ] || refuse "$BAD_INSTRUCTIONS" 'the newer helper does not have its digest'
  code=0
  sh "$incoming" --root "$root" "$@" </dev/null || code=$?
  exit "$code"
}

main() {
  # Under sudo nobody but root can end this: it keeps its own deadline.
  if [ "${1-}" = --within ]; then
    within=${2-}
    shift 2
    exec timeout -s KILL "$within" sh "$0" "$@"
  fi
  root='' by_hand='' forced='' token_generation='' token_step='' token_attempt='' token_run=''
  while [ $# -gt 0 ]; do
    case $1 in
      --force) forced=yes && shift && continue ;;
      --root) root=${2-} ;;
      --by-hand) by_hand=${2-} ;;
      --generation) token_generation=${2-} ;;
      --step) token_step=${2-} ;;
      --attempt) token_attempt=${2-} ;;
      --run) token_run=${2-} ;;
      *) break ;;
    esac
    [ $# -ge 2 ] || usage "$1 needs a value"
    shift 2
  done
  if [ -n "$token_generation" ]; then
    want_number --generation "$token_generation"
    want_number --attempt "$token_attempt"
    case $token_step in '' | .* | *[!A-Za-z0-9._:/-]*) usage "'$token_step' is no name for a step" ;; esac
  fi
  want_line --by-hand "$by_hand"
  verb=${1-help}
  [ $# -eq 0 ] || shift
  if [ "$verb" = help ]; then
    help
    return
  fi
  if [ -z "$root" ]; then
    root=${0%/bin/*}
    [ "$root" != "$0" ] || usage 'say which --root'
  fi
  case $root in /*) ;; *) usage "--root has to be an absolute path, not '$root'" ;; esac
  record="$root/record"
  case $verb:$# in
    show:0) show ;;
    survey:*) survey "$@" ;;
    journal:0) journal 1000 ;;
    journal:1) journal "$1" ;;
    refusals:0) refusals 1000 ;;
    refusals:1) refusals "$1" ;;
    leftovers:0) leftovers ;;
    sweep:1) sweep "$1" ;;
    lease:[1-9]*) lease "$@" ;;
    identities:[1-9]*) identities "$@" ;;
    ensure:0) ensure ;;
    profile:[1-9]*) profile "$@" ;;
    node:[1-9]*) node "$@" ;;
    engine:[1-9]*) engine "$@" ;;
    package:[1-9]*) package "$@" ;;
    job:[1-9]*) job "$@" ;;
    host:2)
      [ "$1" = release ] || usage "there is no verb host $1"
      host_release "$2"
      ;;
    newer:[2-9]* | newer:1[0-9]*) newer "$@" ;;
    supervise:4) supervise "$@" ;;
    *) usage "there is no verb $verb with $# words" ;;
  esac
}

main "$@"
# Under `sh -s` the rest of stdin would be read as commands.
exit 0
