ensure() {
  begin
  # In no file: they hold what the files hold.
  instructions=$(cat)
  case "
$instructions" in *"
end") ;; *) refuse "$BAD_INSTRUCTIONS" 'they end too early' ;; esac
  pending=''
  while read -r kind first rest; do
    [ "$kind" = file ] || finish_files
    # shellcheck disable=SC2086 # a unit's instruction has three words without blanks
    case $kind in
      folder) ensure_folder "$first" "$rest" ;;
      file) ensure_file "$first" "$rest" ;;
      account) ensure_account "$first" ;;
      unit) ensure_unit "$first" $rest ;;
      link) ensure_link "$first" "$rest" ;;
      end) break ;;
      *) refuse "$BAD_INSTRUCTIONS" "unknown instruction $kind" ;;
    esac
  done <<INSTRUCTIONS
$instructions
INSTRUCTIONS
}

# Only below the root, whoever asks. A link on the way would lead out of it.
want_inside() {
  want_path "$1"
  want_no_link "$1"
}

# Nothing of the record's or of this program.
want_path() {
  case /$1/ in
    //* | */../* | */./*) refuse "$BAD_INSTRUCTIONS" "the path $1 is not below the root" ;;
    /record/* | /bin/*) refuse "$BAD_INSTRUCTIONS" "the path $1 is not for files of nodes" ;;
  esac
}

want_no_link() {
  way=$root left=$1/
  while [ -n "$left" ]; do
    way=$way/${left%%/*} left=${left#*/}
    [ ! -L "$way" ] || refuse "$NOT_NOW" "${way#"$root"/} is a symbolic link"
  done
}

# A mode is MODE, or MODE:OWNER:ACCOUNT, where the group is that account's own. Sets mode and owner (empty where none is named).
read_mode() {
  mode=${1%%:*} owner=''
  case $mode in [0-7][0-7][0-7]) ;; *) refuse "$BAD_INSTRUCTIONS" "$mode is no mode" ;; esac
  case $1 in *:*:*) ;; *) return 0 ;; esac
  if [ "${1##*:}" != "${group_of-}" ]; then
    group_of=${1##*:}
    group=$(id -gn "$group_of") || refuse "$NOT_NOW" "there is no account $group_of here"
  fi
  owner=${1#*:} owner=${owner%%:*}:$group
}

# has_mode PATH, after read_mode
has_mode() {
  if [ -z "$owner" ]; then [ "$(stat -c %a "$1")" = "$mode" ]; else [ "$(stat -c %a:%U:%G "$1")" = "$mode:$owner" ]; fi
}

set_mode() {
  [ -z "$owner" ] || chown "$owner" "$1"
  chmod "$mode" "$1"
}

ensure_folder() {
  want_inside "$2"
  read_mode "$1"
  folder="$root/$2"
  if [ ! -d "$folder" ]; then
    mkdir -p -m "$mode" "$folder"
    [ -z "$owner" ] || chown "$owner" "$folder"
    effect folder.created "$2"
  elif ! has_mode "$folder"; then
    set_mode "$folder"
    effect folder.mode "$2 $mode${owner:+ $owner}"
  fi
}

# ensure_file MODE 'SHA256 PATH BASE64': writes it beside its place, for finish_files. Nothing follows the path of an empty file.
ensure_file() {
  wanted=${2%% *} content=${2#* }
  path=${content%% *}
  content=${content#"$path"}
  content=${content# }
  want_inside "$path"
  read_mode "$1"
  file="$root/$path"
  [ ! -d "$file" ] || refuse "$NOT_NOW" "$path is a folder"
  read_digest "$file"
  if [ "$digest" = "$wanted" ]; then
    ! has_mode "$file" || return 0
    set_mode "$file"
    effect file.mode "$path $mode${owner:+ $owner}"
    return
  fi
  pending="$pending$path $wanted $digest $mode $owner
"
  write_beside "$path" "$content"
}

# Checks and syncs all files that were written beside their places, in one go, and puts them there. A program that is called costs more than what it
# does here.
finish_files() {
  [ -n "$pending" ] || return 0
  finishing=${pending%?} pending=''
  set --
  while read -r path _; do set -- "$@" "$root/$path.new"; done <<FINISHING
$finishing
FINISHING
  sums=$(sha256sum "$@")
  while read -r path wanted _ mode owner && read -r sum _ <&3; do
    # Where a name had to be escaped there is a mark before its sum.
    [ "${sum#?"$wanted"}" = '' ] || [ "$sum" = "$wanted" ] || drop_files "$path does not have its digest" "$@"
    [ "$mode$owner" = 600 ] || set_mode "$root/$path.new"
  done <<FINISHING 3<<SUMS
$finishing
FINISHING
$sums
SUMS
  sync "$@"
  while read -r path _ found _; do
    mv -f "$root/$path.new" "$root/$path"
    if [ "$found" = - ]; then effect file.created "$path"; else effect file.updated "$path"; fi
  done <<FINISHING
$finishing
FINISHING
}

# drop_files WHY FILE...
drop_files() {
  why=$1
  shift
  rm -f "$@"
  refuse "$BAD_INSTRUCTIONS" "$why"
}

# write_beside NAME BASE64: writes $file.new.
write_beside() {
  [ ! -e "$file.new" ] && [ ! -L "$file.new" ] || rm -f "$file.new"
  base64 -d >"$file.new" <<CONTENT || drop_files "$1 is not base64" "$file.new"
$2
CONTENT
}

# write_checked SHA256 NAME BASE64: writes $file.new.
write_checked() {
  write_beside "$2" "$3"
  read_digest "$file.new"
  [ "$digest" = "$1" ] || drop_files "$2 does not have its digest" "$file.new"
}

# An account without a login, for nodes to run as.
ensure_account() {
  case $1 in '' | [!a-z_]* | *[!a-z0-9_-]*) refuse "$BAD_INSTRUCTIONS" "$1 is no name for an account" ;; esac
  ! id -u "$1" >/dev/null 2>&1 || return 0
  useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$1"
  effect account.created "$1"
}

# ensure_link nodes/PORT/current ../../engines/NAME: the one symbolic link that there is of ours, switched in one go.
ensure_link() {
  want_path "$1"
  case $1 in nodes/*/current) want_no_link "${1%/*}" ;; *) refuse "$BAD_INSTRUCTIONS" "$1 is no link of a node" ;; esac
  case ${2#../../engines/} in '' | .* | *[!A-Za-z0-9._-]*) refuse "$BAD_INSTRUCTIONS" "$2 is no engine" ;; esac
  [ "$2" != "${2#../../engines/}" ] || refuse "$BAD_INSTRUCTIONS" "$2 is no engine"
  [ -L "$root/$1" ] || [ ! -e "$root/$1" ] || refuse "$NOT_NOW" "$1 is there and is no link"
  link="$root/$1"
  found=$(readlink "$link") || found=''
  [ "$found" != "$2" ] || return 0
  rm -f "$link.new"
  ln -s "$2" "$link.new"
  mv -fT "$link.new" "$link"
  if [ -z "$found" ]; then effect link.created "$1 to ${2##*/}"; else effect link.switched "$1 from ${found##*/} to ${2##*/}"; fi
}
