ensure() {
  begin
  instructions="$record/instructions"
  # They hold what the files hold.
  trap 'rm -f "$instructions"' EXIT
  cat >"$instructions"
  [ "$(tail -n 1 "$instructions")" = end ] || refuse "$BAD_INSTRUCTIONS" 'they end too early'
  while read -r kind mode rest; do
    case $kind in
      folder) ensure_folder "$mode" "$rest" ;;
      file) ensure_file "$mode" "$rest" ;;
      end) break ;;
      *) refuse "$BAD_INSTRUCTIONS" "unknown instruction $kind" ;;
    esac
  done <"$instructions"
}

# Only below the root, whoever asks.
want_inside() {
  case /$1/ in
    //* | */../* | */./*) refuse "$BAD_INSTRUCTIONS" "the path $1 is not below the root" ;;
  esac
}

ensure_folder() {
  want_inside "$2"
  folder="$root/$2"
  if [ ! -d "$folder" ]; then
    mkdir -p "$folder"
    chmod "$1" "$folder"
    effect folder.created "$2"
  elif [ "$(stat -c %a "$folder")" != "$1" ]; then
    chmod "$1" "$folder"
    effect folder.mode "$2 $1"
  fi
}

# ensure_file MODE 'SHA256 PATH BASE64'. Nothing follows the path of an empty file.
ensure_file() {
  wanted=${2%% *} content=${2#* }
  path=${content%% *}
  content=${content#"$path"}
  content=${content# }
  want_inside "$path"
  file="$root/$path"
  read_digest "$file"
  if [ "$digest" = "$wanted" ]; then
    [ "$(stat -c %a "$file")" != "$1" ] || return 0
    chmod "$1" "$file"
    effect file.mode "$path $1"
    return
  fi
  found=$digest
  printf '%s\n' "$content" | base64 -d >"$file.new" || refuse "$BAD_INSTRUCTIONS" "$path is not base64"
  read_digest "$file.new"
  if [ "$digest" != "$wanted" ]; then
    rm -f "$file.new"
    refuse "$BAD_INSTRUCTIONS" "$path does not have its digest"
  fi
  chmod "$1" "$file.new"
  sync "$file.new"
  mv -f "$file.new" "$file"
  if [ "$found" = - ]; then effect file.created "$path"; else effect file.updated "$path"; fi
}
