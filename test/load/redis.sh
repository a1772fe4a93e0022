#!/usr/bin/env bash
# Put a test's keys into Redis: delete those that start with t_NAME: and the user
# t_NAME, then run the commands of test/data/NAME.txt, one a line, quoted as
# redis-cli has it.
# With "drop" as second argument only delete; with "cli" only run the command that follows.
# The server is the one of REDIS_HOST, REDIS_PORT and REDIS_PASSWORD.
set -euo pipefail
name=$1
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/../data" && pwd)
export REDISCLI_AUTH=${REDIS_PASSWORD-}
cli() { redis-cli -h "${REDIS_HOST:-127.0.0.1}" -p "${REDIS_PORT:-6379}" "$@"; }

if [ "${2-}" = cli ]; then
	cli "${@:3}"
	exit
fi
# in a script, for keys with quotes, newlines and bytes that are no text
cli EVAL "local c = '0' repeat local r = redis.call('SCAN', c, 'MATCH', ARGV[1], 'COUNT', 1000) c = r[1]
	for _, k in ipairs(r[2]) do redis.call('DEL', k) end until c == '0'" 0 "t_$name:*" >/dev/null
cli ACL DELUSER "t_$name" >/dev/null
if [ "${2-}" != drop ]; then
	cli <"$folder/$name.txt" | sort | uniq -c | grep -i err || true
fi
