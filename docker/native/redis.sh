#!/usr/bin/env bash
# Redis from Debian, with a password and nothing saved to disk.
STORE=redis
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
port REDIS 6479

packages() { need redis-server redis-server; }
address() { echo "redis://127.0.0.1:$REDIS_PORT"; }
ready() { [ "$(REDISCLI_AUTH=$REDIS_PASSWORD redis-cli -h 127.0.0.1 -p "$REDIS_PORT" ping 2>/dev/null)" = PONG ]; }

launch() {
	mkdir -p "$DIR/data"
	(umask 077 && cat >"$DIR/redis.conf") <<-CONF
		bind 127.0.0.1
		port $REDIS_PORT
		requirepass $REDIS_PASSWORD
		dir $DIR/data
		save ""
		appendonly no
		set-proc-title no
	CONF
	spawn "$PIDFILE" "$LOG" redis-server "$DIR/redis.conf"
}

exports() {
	export_line REDIS_HOST 127.0.0.1
	export_line REDIS_PORT "$REDIS_PORT"
	export_line REDIS_USER default
	export_line REDIS_PASSWORD "$REDIS_PASSWORD"
	export_line REDIS_URL "redis://default:$REDIS_PASSWORD@127.0.0.1:$REDIS_PORT/0"
	export_line REDIS_DATA "$DIR/data"
	export_line REDIS_PID "$(pids)"
}

store_main "$@"
