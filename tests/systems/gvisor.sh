#!/bin/sh
# Measure gVisor: run micro in its sandbox and store the session in FILE.
#
#     tests/systems/gvisor.sh FILE [micro's arguments]
#
# Needs runsc (Debian: apt-get install runsc). PYTHON is the interpreter that micro is installed for,
# PLATFORM how the sandbox catches system calls: ptrace works everywhere, newer releases have systrap.
# The sandbox sees this system's files, its writes stay in memory, and its network is the loopback.
set -eu
[ $# -ge 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
file=$1
shift
[ $# -gt 0 ] || set -- all --quick --budget 300
[ ! -e "$file" ] || { echo "$file exists already" >&2; exit 1; }
command -v runsc >/dev/null || { echo "runsc is not installed" >&2; exit 1; }
[ "$(id -u)" = 0 ] && user='' || user=--rootless

session=$(mktemp)
said=$(mktemp)
trap 'rm -f "$session" "$said"' EXIT
root=$(cd "$(dirname "$0")/../.." && pwd)
# To files of our own: the sandbox overwrites what it is given from its start.
runsc $user --platform="${PLATFORM:-ptrace}" --network=none do -- sh -c '
    cd "$0"
    "$@" --quiet --output /tmp/micro-session.json >&2
    code=$?
    cat /tmp/micro-session.json && exit $code' \
    "$root" "${PYTHON:-python3}" -m micro "$@" >"$session" 2>"$said" || true
cat "$said" >&2
[ -s "$session" ] || { echo "the sandbox gave no session file back" >&2; exit 1; }
cat "$session" >"$file"
