#!/usr/bin/env bash
# The regression files under AddressSanitizer: a build of its own, in a copy of
# PostgreSQL, in a cluster whose backends run with the sanitizer's library.
# Fails on any report.  Needs the stores; starts them.
#   test/sanitize.sh [name ...]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=test/copy.sh
. test/copy.sh

docker/native/stores.sh start >/dev/null
eval "$(docker/native/stores.sh env)"
PG_CONFIG=${PG_CONFIG:-$PG_BINDIR/pg_config}

dir=$(mktemp -d "${TMPDIR:-/tmp}/cipherhorizon-asan.XXXXXX")
as_server_user() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi
}
finish() {
  [ ! -s "$dir/data/postmaster.pid" ] || as_server_user "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$dir"
}
trap finish EXIT

copy_postgres "$dir/pg"
bin=$("$PG_CONFIG" --bindir)
copy_source "$dir/src"
make -s -C "$dir/src" -j"$(nproc)" COPT='-fsanitize=address -fno-omit-frame-pointer -O1 -g -Wno-error=maybe-uninitialized' install >"$dir/build.log" 2>&1 || { cat "$dir/build.log"; exit 1; }

mkdir -p "$dir/data" "$dir/report"
[ "$(id -u)" != 0 ] || chown -R postgres "$dir/data" "$dir/report" "$dir"
as_server_user "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
cat >>"$dir/data/postgresql.conf" <<C
listen_addresses = '127.0.0.1'
port = 5699
unix_socket_directories = '$dir'
fsync = off
wal_level = logical
C
# A preloaded libasan leaves glibc's lock of the message catalogs broken, and the
# first bindtextdomain then waits for ever: messages go untranslated here.
cat >"$dir/untranslated.c" <<'C'
char *bindtextdomain(const char *domain, const char *folder) { return (char *) folder; }
char *bind_textdomain_codeset(const char *domain, const char *codeset) { return (char *) codeset; }
char *textdomain(const char *domain) { return (char *) domain; }
char *gettext(const char *text) { return (char *) text; }
char *dgettext(const char *domain, const char *text) { return (char *) text; }
char *dcgettext(const char *domain, const char *text, int category) { return (char *) text; }
char *ngettext(const char *one, const char *many, unsigned long n) { return (char *) (n == 1 ? one : many); }
char *dngettext(const char *domain, const char *one, const char *many, unsigned long n) { return (char *) (n == 1 ? one : many); }
char *dcngettext(const char *domain, const char *one, const char *many, unsigned long n, int category) { return (char *) (n == 1 ? one : many); }
C
gcc -shared -fPIC -o "$dir/untranslated.so" "$dir/untranslated.c"
chmod 755 "$dir" "$dir/untranslated.so"

# PostgreSQL never frees what lives as long as a process: leaks are looked for by another test
as_server_user env LD_PRELOAD="$(gcc -print-file-name=libasan.so) $dir/untranslated.so" \
  ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=1:log_path=$dir/report/asan" \
  "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/server.log" start >/dev/null

names=${*:-$(cd sql && for f in *.sql; do printf '%s ' "${f%.sql}"; done)}
status=0
PGHOST=127.0.0.1 PGPORT=5699 PGPASSWORD='' make -s -C "$dir/src" installcheck REGRESS="$names" || status=1
if compgen -G "$dir/report/*" >/dev/null; then
  cat "$dir"/report/*
  status=1
fi
[ $status = 0 ] || { cat "$dir/src/regression.diffs" 2>/dev/null || true; tail -n 20 "$dir/server.log"; }
exit $status
