# The boot guard. Redis cannot know that it had data: a master that comes back without it starts empty, and its replicas become empty after
# it. The host's record knows which node was a member, so whoever starts one (a person, an operation, systemd at boot) asks here first.

# read_guard PORT: sets guard (why the node may not start by itself; empty where it may) and guard_slots (what it owned). Only reads.
read_guard() {
  guard='' guard_slots=''
  read_identity "$1"
  # Never a member: nobody replicates from it, so it may begin empty.
  [ -n "$identity" ] || return 0
  guard_data="$root/nodes/$1/data"
  if ! has_files "$guard_data"; then
    guard=no-data
    return
  fi
  read_own_view "$guard_data/nodes.conf"
  if [ -z "$own_id" ]; then
    guard=no-nodes-conf
  elif [ "$own_id" != "$identity" ]; then
    is_out "$1" || guard=other-identity
  elif [ "$own_role" = master ] && [ -n "$own_slots" ] && [ -f "$root/nodes/$1/redis.conf" ]; then
    guard_slots=$own_slots
    guard_loading "$guard_data" "$root/nodes/$1/redis.conf"
  fi
}

# is_out PORT: whether its node has left the cluster: that was noted before, and it was reset since, so that it knows nobody and owns nothing.
is_out() {
  read_identity "$1"
  [ -n "$identity" ] || return 1
  has_line "$record/forgotten" "$1 $identity" || return 1
  read_own_view "$root/nodes/$1/data/nodes.conf"
  [ -n "$own_id" ] && [ "$own_id" != "$identity" ] && [ "$own_role$own_slots" = master ] && [ "$own_known" = 1 ]
}

# A folder that cannot be read, or whose volume is not mounted, looks as empty as one that was emptied.
has_files() {
  for found in "$1"/* "$1"/.[!.]*; do
    [ ! -e "$found" ] || return 0
  done
  return 1
}

# Sets own_id, own_role and own_slots from the line of nodes.conf that a node writes about itself, and own_known, how many nodes it knows with itself; empty
# where there is no such line.
read_own_view() {
  own_id='' own_role='' own_slots='' own_known=''
  [ -f "$1" ] && [ -r "$1" ] || return 0
  own=$(awk '$1 ~ /^[0-9a-f]+$/ { known++ }
    $3 ~ /(^|,)myself(,|$)/ && $1 ~ /^[0-9a-f]+$/ {
      slots = ""
      for (i = 9; i <= NF; i++) if ($i ~ /^[0-9]+(-[0-9]+)?$/) slots = slots " " $i
      own = $1 " " ($3 ~ /(^|,)(slave|replica)(,|$)/ ? "replica" : "master")
    }
    END { if (own != "") print known, own slots }' "$1")
  read -r own_known own_id own_role own_slots <<OWN
$own
OWN
}

# guard_loading DATA CONFIG: the file that Redis would load has to be there. In redis.conf the last directive wins; `save` adds up, and
# `save ""` begins anew.
guard_loading() {
  guarding=$(awk '
    function word(value) {
      gsub(/^["\047]|["\047]$/, "", value)
      return value
    }
    BEGIN { aof = "no"; folder = "appendonlydir"; file = "appendonly.aof"; dump = "dump.rdb"; save = "yes" }
    { name = tolower($1) }
    name == "appendonly" { aof = tolower(word($2)) }
    name == "appenddirname" { folder = word($2) }
    name == "appendfilename" { file = word($2) }
    name == "dbfilename" { dump = word($2) }
    name == "save" { save = word($2) == "" ? "no" : "yes" }
    END { print aof, save; print folder; print file; print dump }' "$2")
  {
    read -r loads_aof saves
    read -r aof_folder
    read -r aof_file
    read -r dump
  } <<GUARDING
$guarding
GUARDING
  if [ "$loads_aof" = yes ]; then
    # Before Redis 7 the log was one file; later ones take it over.
    [ ! -s "$1/$aof_folder/$aof_file.manifest" ] || return 0
    [ ! -s "$1/$aof_file" ] || return 0
    if [ -s "$1/$dump" ]; then guard=aof-beside-rdb; else guard=no-aof; fi
  elif [ "$saves" = yes ]; then
    [ -s "$1/$dump" ] || guard=no-rdb
  else
    guard=no-persistence
  fi
}

# Sets guard_words.
read_guard_words() {
  case $1 in
    no-data) guard_words='its data folder is missing, empty or cannot be read' ;;
    no-nodes-conf) guard_words='nodes.conf is missing or names nobody as itself' ;;
    other-identity) guard_words='nodes.conf is of another node than the record: another volume' ;;
    no-aof) guard_words='it was a master with slots, and the append-only log that it would load is not there' ;;
    aof-beside-rdb) guard_words='appendonly yes beside only a dump: Redis would not load the dump, and begin empty' ;;
    no-rdb) guard_words='it was a master with slots, and the dump that it would load is not there' ;;
    no-persistence) guard_words='it was a master with slots and writes no data to disk' ;;
  esac
}

# node_guard PORT: what a unit asks before each start, at boot and after a crash (ExecCondition). It takes no lock: `node start` holds it.
node_guard() {
  read_guard "$1"
  if [ -z "$guard" ] || accepts_empty "$1"; then
    forget "$root/nodes/$1/run/guard"
    return
  fi
  note_guard "$1"
  read_guard_words "$guard"
  refuse "$GUARDED" "$guard" "$guard_words"
}

# note_guard PORT: since when, for whoever looks later. The note decides nothing; where its folder is gone there is none.
note_guard() {
  note="$root/nodes/$1/run/guard"
  read_note "$note"
  [ "$noted" != "$guard" ] || return 0
  [ ! -d "${note%/*}" ] || put "$note" "$(date -u +%Y-%m-%dT%H:%M:%SZ) $guard"
}

# Sets noted_at and noted.
read_note() {
  noted_at='' noted=''
  [ ! -s "$1" ] || read -r noted_at noted <"$1"
}

# say_guard PORT: after read_node, for a node that does not run.
say_guard() {
  [ "$unit" != running ] || return 0
  read_guard "$1"
  [ -n "$guard" ] || return 0
  read_note "$root/nodes/$1/run/guard"
  [ "$noted" = "$guard" ] || noted_at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  say guarded "$1" "$guard" "$noted_at" "$guard_slots"
}

# refuse_guarded PORT accept-empty|'': inside of `node start`, under its lock. The acceptance holds for this one process: it names itself, and
# a guard that systemd runs meanwhile sees that it lives.
refuse_guarded() {
  read_guard "$1"
  [ -n "$guard" ] || return 0
  if [ "$2" != accept-empty ]; then
    note_guard "$1"
    read_guard_words "$guard"
    refuse "$GUARDED" "$guard" "$guard_words"
  fi
  accepting="$record/accepting-$1"
  trap 'rm -f "$accepting"' EXIT
  read_start "$$"
  put "$accepting" "$$ $start_of"
  effect node.accepted "$1 starts without its data ($guard)"
}

accepts_empty() {
  [ -s "$record/accepting-$1" ] || return 1
  read -r accepting_pid accepting_start <"$record/accepting-$1"
  read_start "$accepting_pid"
  [ -n "$start_of" ] && [ "$start_of" = "$accepting_start" ]
}
