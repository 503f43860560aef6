/*
 * How the host helper is run where it is not installed yet, or not in this version, and how it is run as root. The texts are constant; all that
 * varies comes as arguments and on stdin.
 */

/** Installs the helper beside the one that is there, checks its digest, and runs it: it takes its own place, under the lock, if it accepts who asks. */
export const BOOTSTRAP = `set -eu
umask 077
root=$1 sha256=$2
shift 2
if [ ! -d "$root/bin" ]; then
  # Folders of root's are passed through by the accounts that nodes run as.
  [ "$(id -u)" != 0 ] || umask 022
  mkdir -p "$root/bin"
  umask 077
fi
incoming=$(mktemp "$root/bin/.incoming.XXXXXX")
trap '[ ! -e "$incoming" ] || rm -f "$incoming"; [ -e "$root/bin/redisforge-host" ] || rmdir "$root/bin" "$root" 2>/dev/null || :' EXIT
cat >"$incoming"
sum=$(sha256sum <"$incoming")
if [ "\${sum%% *}" != "$sha256" ]; then
  echo 'the host helper did not arrive whole' >&2
  exit 1
fi
sh "$incoming" --root "$root" "$@"`;

/**
 * With a helper of root's in place nothing else is ever run by sudo, so that one narrow rule is enough; on a bare host a shell is. The login decides
 * which it is: it may look into these folders. The bare command ends with the same words.
 */
const AS_ROOT = `set -eu
root=$1 sha256=$2 seconds=$3 before=$4
shift 4
helper=$root/bin/redisforge-host
if [ -x "$helper" ] && [ "$(stat -c %u "$helper")" = 0 ]; then
  shift "$before"
  exec env LC_ALL=C sudo -n "$helper" --within "$seconds" --root "$root" newer "$sha256" "$@"
fi
exec env LC_ALL=C sudo -n timeout -s KILL "$seconds" "$@"`;

const INSTALLED_AS_ROOT = `[ -x "$1" ] || exit 127
exec env LC_ALL=C sudo -n "$@"`;

export interface AsRoot {
  readonly root: string;
  /** Of the helper that comes on stdin. */
  readonly sha256: string;
  /** Nobody but root can end what runs as root: it keeps its own deadline. */
  readonly seconds: string;
  /** What runs the helper on a bare host; the words follow. */
  readonly bare: readonly string[];
  readonly words: readonly string[];
}

/** Runs the helper that comes on stdin as root. */
export function newerAsRoot({ root, sha256, seconds, bare, words }: AsRoot): string[] {
  return ['sh', '-c', AS_ROOT, 'sh', root, sha256, seconds, `${bare.length}`, ...bare, ...words];
}

/** Runs the installed helper as root; exits with 127 where there is none. */
export function installedAsRoot({
  helper,
  seconds,
  words,
}: {
  readonly helper: string;
  readonly seconds: string;
  readonly words: readonly string[];
}): string[] {
  return ['sh', '-c', INSTALLED_AS_ROOT, 'sh', helper, '--within', seconds, ...words];
}
