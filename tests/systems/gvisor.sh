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
[ "$(id -u)" = 0 ] && root='' || root=--rootless

session=$(mktemp)
trap 'rm -f "$session"' EXIT
cd "$(dirname "$0")/../.."
# Through a pipe: the sandbox would write to a file from its start again.
runsc $root --platform="${PLATFORM:-ptrace}" --network=none do -- sh -c '
    "$@" --quiet --output /tmp/micro-session.json >&2
    code=$?
    cat /tmp/micro-session.json && exit $code' \
    micro "${PYTHON:-python3}" -m micro "$@" | cat >"$session"
[ -s "$session" ] || { echo "the sandbox gave no session file back" >&2; exit 1; }
cp "$session" "$file"
