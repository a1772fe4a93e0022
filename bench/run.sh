#!/usr/bin/env bash
# All measurements, one after the other, on an otherwise idle machine: each
# prints ratios of one run.  bench/README.md says what they mean.
#   bench/run.sh [name ...]      redis_scan, say
set -euo pipefail
cd "$(dirname "$0")/.."
docker/native/stores.sh start >/dev/null
eval "$(docker/native/stores.sh env)"
export PG_CONFIG=${PG_CONFIG:-$PG_BINDIR/pg_config} PATH="$PG_BINDIR:$PATH"
test/build.sh
for script in bench/*_scan.sh bench/lookup.sh bench/write.sh bench/queries/run.sh; do
  name=$(basename "${script%/run.sh}" .sh)
  [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
  echo "== $name"
  "$script"
done
if [ $# = 0 ] || [[ " $* " == *" cdc "* ]]; then
  echo "== cdc"
  case $(psql -XAtc 'SHOW shared_preload_libraries') in
  *cipherhorizon*) bench/cdc.sh ;;
  *) echo "left out: it needs PG_PRELOAD=cipherhorizon docker/native/stores.sh start postgres" ;;
  esac
fi
