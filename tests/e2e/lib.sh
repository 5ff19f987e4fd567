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
export PERIGEE__OFFICE__ENABLED=false # trading alone, unless the test is about the office

# Folder of a data folder's private database cluster.
cluster_of() {
  if [ "$(id -u)" -eq 0 ]; then
    echo "/var/lib/perigee/$(printf %s "$(realpath "$1")" | sha256sum | cut -c 1-12)/postgres"
  else
    echo "$1/postgres"
  fi
}

postmaster() { head -n 1 "$(cluster_of "$1")/postmaster.pid" 2>/dev/null; }

# Ends the database of a data folder and takes its folders away.
drop_cluster() {
  local folder pid
  folder=$(cluster_of "$1")
  [ -d "$folder" ] || return
  pid=$(postmaster "$1")
  if [ -n "$pid" ]; then
    pkill -CONT -P "$pid"
    kill -CONT "$pid" && kill -QUIT "$pid"
    wait_for 10 eval "! kill -0 $pid"
  fi 2>/dev/null
  [ "$(id -u)" -ne 0 ] || rm -rf "${folder%/postgres}" "/run/perigee/$(basename "${folder%/postgres}")"
}

# Ends everything that was started below the scratch folder, whatever happened.
cleanup() {
  local pid folder
  for pid in $(pgrep -f -- "--data-dir $work" 2>/dev/null); do kill -9 "$pid" 2>/dev/null; done
  for folder in "$work"/*/; do drop_cluster "${folder%/}"; done
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
