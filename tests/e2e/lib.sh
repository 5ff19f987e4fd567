# SPDX-License-Identifier: MIT
# Shared by the whole-program tests: TAP, a scratch folder, starting and stopping. Sourced by bash.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
root=$PWD
perigee=${PERIGEE_PROGRAM:-$root/build/release/perigee}
mode=${PERIGEE_TEST_MODE:-check}
data_dir=${PERIGEE_TEST_DATA:-$root/../shared/data}
work=$(mktemp -d /tmp/perigee-e2e.XXXXXX)
tests=0
export NO_COLOR=1

# Ends everything that was started below the scratch folder, whatever happened.
cleanup() {
  local pid
  for pid in $(pgrep -f -- "--data-dir $work" 2>/dev/null); do kill -9 "$pid" 2>/dev/null; done
  [ "${KEEP:-}" ] && echo "# kept $work" || rm -rf "$work"
}
trap cleanup EXIT

ok() { # description, status (0: fine), notes...
  local what=$1 status=$2
  shift 2
  tests=$((tests + 1))
  if [ "$status" -eq 0 ]; then
    echo "ok $tests - $what"
  else
    echo "not ok $tests - $what"
    for note in "$@"; do printf '%s\n' "$note" | head -n 20 | sed 's/^/# /'; done
  fi
}

is() { # description, got, expected
  [ "$2" = "$3" ]
  ok "$1" $? "got:      $2" "expected: $3"
}

skip() { tests=$((tests + 1)); echo "ok $tests - $1 # SKIP $2"; }

finish() { echo "1..$tests"; }

# Runs a check script with the program's own Lua.
check() { "$perigee" lua "$@"; }

# Waits up to $1 seconds until the command after it succeeds.
wait_for() {
  local left=$(($1 * 20))
  shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 0.05
  done
}
