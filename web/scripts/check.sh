#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The checks of the dashboard as TAP: types, lint, tests, size of the first load.
set -u
cd "$(dirname "$0")/.." || exit 1
bash scripts/build.sh || { echo "not ok - the dashboard builds"; exit 1; }
echo "ok - the dashboard builds"
step() { # name, command…
  local name=$1 log
  shift
  if log=$("$@" 2>&1); then
    echo "ok - $name"
  else
    echo "not ok - $name"
    printf '%s\n' "$log" | tail -n 40 | sed 's/^/# /'
  fi
}
step "types of the dashboard" npm run --silent typecheck
step "lint of the dashboard" npm run --silent lint
if grep -q '"resolved"' package-lock.json; then
  echo "not ok - the lock names no registry"
else
  echo "ok - the lock names no registry"
fi
npm run --silent size
npm run --silent test -- --reporter=tap-flat --no-color
