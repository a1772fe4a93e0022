#!/usr/bin/env bash
# Neo4j Community from its Maven artifacts; the user neo4j gets the generated password.
#   NEO4J_VERSION (5.26.30, Java 17 or 21; later versions need Java 21 or newer)
#   NEO4J_HEAP (512m)   NEO4J_PAGECACHE (128m)
STORE=neo4j
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
port NEO4J 7587
port NEO4J_HTTP 7574

VERSION=${NEO4J_VERSION:-5.26.30}
JARS=$DOWNLOADS/neo4j-$VERSION
SERVER=$DIR/$VERSION

java_program() {
	case $VERSION in
	5.*) java_between 17 21 ;;
	*) java_between 21 99 ;;
	esac
}

packages() {
	java_program >/dev/null || case $VERSION in
	5.*) echo openjdk-17-jre-headless ;;
	*) echo openjdk-21-jre-headless ;;
	esac
	[ -e "$JARS/.complete" ] || need mvn maven
	need curl curl
}

address() { echo "bolt://127.0.0.1:$NEO4J_PORT"; }

fetch() {
	[ ! -e "$JARS/.complete" ] || return 0
	say "fetching Neo4j $VERSION from Maven"
	maven_jars "$JARS" "org.neo4j:neo4j:$VERSION" "org.neo4j.app:neo4j-server:$VERSION"
}

# cypher DATABASE PASSWORD STATEMENT : prints the HTTP status, 202 when it ran
cypher() {
	curl -s -m 20 -o "$DIR/answer.json" -w '%{http_code}' -K - -H 'Content-Type: application/json' \
		-d "{\"statement\":\"$3\"}" "http://127.0.0.1:$NEO4J_HTTP_PORT/db/$1/query/v2" <<<"user = \"neo4j:$2\"" || true
}

ready() {
	if [ -e "$SERVER/ready" ]; then
		[ "$(cypher neo4j "$NEO4J_PASSWORD" 'RETURN 1')" = 202 ]
	else
		[ "$(cypher system neo4j "ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO '$NEO4J_PASSWORD'")" = 202 ]
	fi
}

# A new server knows the password "neo4j" and only lets it be changed; `ready` does that, then the database must open.
setup() {
	[ ! -e "$SERVER/ready" ] || return 0
	touch "$SERVER/ready"
	wait_ready
}

configure() {
	cat >"$SERVER/conf/neo4j.conf" <<-CONF
		server.default_listen_address=127.0.0.1
		server.bolt.enabled=true
		server.bolt.listen_address=127.0.0.1:$NEO4J_PORT
		server.bolt.advertised_address=127.0.0.1:$NEO4J_PORT
		server.http.enabled=true
		server.http.listen_address=127.0.0.1:$NEO4J_HTTP_PORT
		server.http.advertised_address=127.0.0.1:$NEO4J_HTTP_PORT
		server.https.enabled=false
		server.memory.pagecache.size=${NEO4J_PAGECACHE:-128m}
		server.config.strict_validation.enabled=false
		dbms.security.auth_enabled=true
		dbms.usage_report.enabled=false
		db.tx_log.preallocate=false
		db.tx_log.rotation.size=16m
		db.tx_log.rotation.retention_policy=1 files
	CONF
	case $VERSION in # a quick end, and nothing sent anywhere
	5.*) echo 'internal.dbms.bolt.netty_server_shutdown_quiet_period=0' ;;
	*)
		echo 'internal.dbms.bolt.netty_server_shutdown_quiet_period_duration=0s'
		echo 'server.fleet_discovery.enabled=false'
		echo 'dbms.fleet_manager.enabled=false'
		;;
	esac >>"$SERVER/conf/neo4j.conf"
}

entry_point() {
	case $VERSION in
	5.*) echo org.neo4j.server.CommunityEntryPoint ;;
	*) echo org.neo4j.server.Neo4jCommunity ;;
	esac
}

launch() {
	local java heap=${NEO4J_HEAP:-512m}
	java=$(java_program) || die "no Java for Neo4j $VERSION"
	mkdir -p "$SERVER"/{conf,data,logs,run,import,plugins}
	configure
	spawn "$PIDFILE" "$LOG" "$java" -cp "$SERVER/plugins/*:$SERVER/conf/*:$JARS/*" -Xms"$heap" -Xmx"$heap" \
		-XX:+UseG1GC -XX:-OmitStackTraceInFastThrow -XX:+DisableExplicitGC \
		-Dio.netty.tryReflectionSetAccessible=true -Dlog4j2.disable.jmx=true -Dfile.encoding=UTF-8 \
		--add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/java.io=ALL-UNNAMED \
		--add-opens=java.base/sun.nio.ch=ALL-UNNAMED --enable-native-access=ALL-UNNAMED \
		"$(entry_point)" --home-dir="$SERVER" --config-dir="$SERVER/conf" --console-mode
}

exports() {
	export_line NEO4J_HOST 127.0.0.1
	export_line NEO4J_PORT "$NEO4J_PORT"
	export_line NEO4J_URL "bolt://127.0.0.1:$NEO4J_PORT"
	export_line NEO4J_HTTP_PORT "$NEO4J_HTTP_PORT"
	export_line NEO4J_HTTP_URL "http://127.0.0.1:$NEO4J_HTTP_PORT"
	export_line NEO4J_USER neo4j
	export_line NEO4J_PASSWORD "$NEO4J_PASSWORD"
	export_line NEO4J_PID "$(pids)"
}

store_main "$@"
