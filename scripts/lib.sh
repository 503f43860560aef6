# Sourced by the other scripts: where the project is, which Node it runs on, and how we speak.
# shellcheck shell=bash

PROJECT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS=$PROJECT/.tools
cd "$PROJECT"

say() { printf '%s\n' "$*" >&2; }

# die WHAT NEXT: what happened, and what to do.
die() {
  say "$1"
  say "  next: $2"
  exit 1
}

unattended() { [ "${CI:-}" = true ] || [ "${YES:-}" = 1 ]; }

# Node 20.19 is the first that loads an ES module by require().
node_is_good() {
  command -v node >/dev/null &&
    node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'
}

# The project's own Node serves where the machine's is missing or too old.
if ! node_is_good && [ -x "$TOOLS/node/bin/node" ]; then
  PATH=$TOOLS/node/bin:$PATH
  export PATH
fi
