#!/usr/bin/env bash
# Real stores on this machine, without containers, on loopback only.
#   stores.sh start|stop|restart|reset|status|env|install [store...]
# Stores: postgres redis influxdb mongodb neo4j kafka (together the default), and influxdb2 on request.
# See ../README.md for what each verb does and which environment variables are read.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ALL=(redis influxdb postgres neo4j mongodb kafka) # the quick ones first
KNOWN=("${ALL[@]}" influxdb2)

usage() {
	echo "usage: stores.sh start|stop|restart|reset|status|env|install [store...]" >&2
	echo "stores: ${KNOWN[*]} (default: all but influxdb2)" >&2
	exit 2
}

# each VERB STORE... : one process a store, all at once; fails when one of them does
each() {
	local verb=$1 store job failed=0
	jobs=()
	shift
	trap 'kill "${jobs[@]}" 2>/dev/null; exit 130' INT TERM # a background process does not hear Ctrl-C
	for store in "$@"; do
		bash "$HERE/$store.sh" "$verb" &
		jobs+=($!)
	done
	for job in "${jobs[@]}"; do wait "$job" || failed=$?; done
	return "$failed"
}

in_turn() {
	local verb=$1 store failed=0
	shift
	for store in "$@"; do bash "$HERE/$store.sh" "$verb" || failed=$?; done
	return "$failed"
}

# One apt-get for all: two would wait for each other.
packages_first() {
	local list
	list=$(in_turn packages "$@" | sort -u)
	# shellcheck disable=SC2086
	install_packages $list
	make_state
}

environment() {
	export_line CIPHERHORIZON_STATE "$STATE"
	in_turn env "$@"
}

main() {
	local verb=${1:-} store
	[ $# -gt 0 ] || usage
	shift
	for store in "$@"; do
		case " ${KNOWN[*]} " in *" $store "*) ;; *) say "unknown store '$store'" >&2; usage ;; esac
	done
	[ $# -gt 0 ] || [ "$verb" != env ] || set -- "${KNOWN[@]}"
	[ $# -gt 0 ] || set -- "${ALL[@]}"
	case $verb in
	start | install | reset)
		packages_first "$@"
		each "$verb" "$@"
		;;
	stop) each stop "$@" ;;
	restart)
		each stop "$@"
		each start "$@"
		;;
	status) in_turn status "$@" ;;
	env) environment "$@" ;;
	*) usage ;;
	esac
}

main "$@"
