#!/usr/bin/env bash
# Build without a warning by gcc and clang on the other versions of PostgreSQL
# and of the libraries: Debian 13 (17, libmongoc 1.30, hiredis 1.2) and
# unstable (18, libmongoc 2, hiredis 1.x), each in a folder made by mmdebstrap.
# Root only.  The folders stay in the state folder for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=test/copy.sh
. test/copy.sh

STATE=${CIPHERHORIZON_STATE:-/var/lib/cipherhorizon}
[ "$(id -u)" = 0 ] || { echo "matrix: needs root, for chroot" >&2; exit 3; }
command -v mmdebstrap >/dev/null || { apt-get update -qq; apt-get install -y -qq mmdebstrap; } >/dev/null

build() {  # SUITE POSTGRES
  local root=$STATE/matrix/$1 cc rc=0
  if [ ! -e "$root/.complete" ]; then
    echo "matrix: making $1"
    rm -rf "$root"
    mkdir -p "${root%/*}"
    mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
      --include="gcc,clang,make,pkg-config,postgresql-server-dev-$2,libmongoc-dev,libhiredis-dev,libcurl4-openssl-dev,libjansson-dev,librdkafka-dev,libssl-dev,zlib1g-dev" \
      "$1" "$root"
    touch "$root/.complete"
  fi
  for cc in gcc clang; do
    rm -rf "$root/src"
    copy_source "$root/src"
    if chroot "$root" make -s -C /src -j"$(nproc)" CC=$cc PG_CONFIG="/usr/lib/postgresql/$2/bin/pg_config"; then
      echo "ok      PostgreSQL $2, $1, $cc"
    else
      echo "FAILED  PostgreSQL $2, $1, $cc"
      rc=1
    fi
  done
  return $rc
}

status=0
build trixie 17 || status=1
build sid 18 || status=1
exit $status
