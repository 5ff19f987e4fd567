#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the dashboard into web/dist; says nothing and is quick when nothing has changed. Only node and npm are needed
# beforehand, as old as Debian's: they install the node that everything else runs with.
set -eu
cd "$(dirname "$0")/.."
exec 9<. # two builds at the same time would remove each other's packages
flock 9

# The kept sums lie in node_modules: what is removed with them is made anew.
packages=$(sha256sum package.json package-lock.json .npmrc | sha256sum)
if [ "$(cat node_modules/.perigee-packages 2>/dev/null)" != "$packages" ]; then
  echo "web: installing packages"
  npm ci --loglevel=error >install.log 2>&1 || { cat install.log; exit 1; }
  rm -f install.log
  echo "$packages" >node_modules/.perigee-packages
fi

sources=$(find src public scripts index.html vite.config.ts tsconfig.json package.json ../docs/openapi.yaml \
  -type f ! -path src/api/schema.ts -print0 | sort -z | xargs -0 sha256sum | sha256sum)
if [ ! -f dist/index.html ] || [ "$(cat node_modules/.perigee-sources 2>/dev/null)" != "$sources" ]; then
  echo "web: building the dashboard"
  npm run --silent build >build.log 2>&1 || { cat build.log; exit 1; }
  rm -f build.log
  echo "$sources" >node_modules/.perigee-sources
fi
