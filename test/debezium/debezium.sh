#!/usr/bin/env bash
# The real Debezium PostgreSQL connector on Kafka Connect standalone, from Maven, to compare with.
#   debezium.sh fetch | start CONNECTOR.json... | running NAME | stop | status | clean
# Needs the stores' environment (KAFKA_BOOTSTRAP).  State and downloads are where docker/native keeps its own.
#   DEBEZIUM_VERSION (3.7.0.Final)   CONNECT_VERSION (4.3.1)   CONNECT_HEAP (512m)   CIPHERHORIZON_CONNECT_PORT (9283)
#   CONNECT_FAST (1: quick compiler and collector only, for a quick start; 0: the JVM's own choice, for measuring)
STORE=debezium
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=docker/native/lib.sh
. "$HERE/../../docker/native/lib.sh"

VERSION=${DEBEZIUM_VERSION:-3.7.0.Final}
CONNECT=${CONNECT_VERSION:-4.3.1}
HEAP=${CONNECT_HEAP:-512m}
PORT=${CIPHERHORIZON_CONNECT_PORT:-9283}
JARS=$DOWNLOADS/connect-$CONNECT
PLUGINS=$DOWNLOADS/debezium-$VERSION

# jars FOLDER 'dependency elements' : the artifacts and all they need at run time, copied once.
# Unlike lib.sh's maven_jars, with exclusions, and asking only Maven's default repository: some poms name others.
jars() {
	local target=$1 work=$1.work try
	[ ! -e "$target/.complete" ] || return 0
	rm -rf "$target" "$work"
	mkdir -p "$work"
	cat >"$work/settings.xml" <<-'XML'
		<settings><mirrors><mirror><id>none</id><mirrorOf>*,!central</mirrorOf><url>file:///nonexistent</url></mirror></mirrors></settings>
	XML
	cat >"$work/pom.xml" <<-XML
		<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
		<groupId>local</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>
		<dependencies>$2</dependencies></project>
	XML
	for try in 1 2 3; do
		if timeout 400 mvn -s "$work/settings.xml" -B -ntp -q -f "$work/pom.xml" -Dmaven.repo.local="$work/m2" \
			org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
			-DincludeScope=runtime -DoutputDirectory="$target" >"$DIR/maven.log" 2>&1 </dev/null; then
			rm -rf "$work"
			touch "$target/.complete"
			return 0
		fi
		sleep $((try * 3))
	done
	tail -n 20 "$DIR/maven.log" >&2
	die "Maven could not bring $target"
}

dependency() { # GROUP:ARTIFACT:VERSION [exclusions]
	local g a v
	IFS=: read -r g a v <<<"$1"
	echo "<dependency><groupId>$g</groupId><artifactId>$a</artifactId><version>$v</version>${2:-}</dependency>"
}

exclusions() { # GROUP...
	local group list=
	for group in "$@"; do list+="<exclusion><groupId>$group</groupId><artifactId>*</artifactId></exclusion>"; done
	echo "<exclusions>$list</exclusions>"
}

packages() {
	java_between 17 99 >/dev/null || echo openjdk-17-jre-headless
	[ -e "$PLUGINS/postgres/.complete" ] || need mvn maven
	need curl curl
	/usr/bin/python3 -c 'import confluent_kafka' 2>/dev/null || echo python3-confluent-kafka # topics.py
}

fetch() {
	# shellcheck disable=SC2046
	install_packages $(packages)
	mkdir -p "$DIR" "$DOWNLOADS" "$PLUGINS"
	jars "$JARS" "$(dependency org.apache.kafka:connect-runtime:"$CONNECT")$(dependency org.apache.kafka:connect-json:"$CONNECT"
		)$(dependency org.apache.logging.log4j:log4j-slf4j-impl:2.25.4)$(dependency org.apache.logging.log4j:log4j-core:2.25.4)"
	jars "$PLUGINS/postgres" "$(dependency io.debezium:debezium-connector-postgres:"$VERSION" "$(exclusions org.apache.kafka org.slf4j)")"
}

configure() {
	cat >"$DIR/worker.properties" <<-CONF
		bootstrap.servers=${KAFKA_BOOTSTRAP:?the stores environment is needed}
		key.converter=org.apache.kafka.connect.json.JsonConverter
		value.converter=org.apache.kafka.connect.json.JsonConverter
		key.converter.schemas.enable=false
		value.converter.schemas.enable=false
		offset.storage.file.filename=$DIR/offsets
		offset.flush.interval.ms=2000
		listeners=http://127.0.0.1:$PORT
		plugin.path=$PLUGINS
		plugin.discovery=service_load
	CONF
	cat >"$DIR/log4j2.properties" <<-'CONF'
		status=error
		appender.out.type=Console
		appender.out.name=OUT
		appender.out.layout.type=PatternLayout
		appender.out.layout.pattern=[%d] %p %m (%c)%n
		rootLogger.level=info
		rootLogger.appenderRef.out.ref=OUT
	CONF
}

# rest PATH [curl options] : Connect's REST interface
rest() {
	local path=$1
	shift
	curl -fsS --max-time 30 "$@" "http://127.0.0.1:$PORT$path"
}

# running CONNECTOR : waits until its task runs
running() {
	local until=$((SECONDS + WAIT)) status
	while :; do
		status=$(rest "/connectors/$1/status" 2>/dev/null || true)
		case $status in
		*'"tasks":[{'*'"state":"FAILED"'*) die "connector $1 failed: $status" ;;
		*'"tasks":[{'*'"state":"RUNNING"'*) return 0 ;;
		esac
		alive || die "ended, see $LOG"
		[ $SECONDS -lt $until ] || die "connector $1 does not run after $WAIT s, see $LOG"
		sleep 0.3
	done
}

start() {
	local java quick=()
	[ "${CONNECT_FAST:-1}" != 1 ] || quick=(-XX:TieredStopAtLevel=1 -XX:+UseSerialGC)
	fetch
	alive && die "already running"
	java=$(java_between 17 99) || die "no Java for Kafka Connect"
	configure
	rm -f "$DIR/offsets" # each start is a new capture
	[ ! -s "$LOG" ] || mv "$LOG" "$LOG.1"
	spawn "$PIDFILE" "$LOG" "$java" -Xms"$HEAP" -Xmx"$HEAP" "${quick[@]}" -cp "$JARS/*" \
		-Dlog4j2.configurationFile="$DIR/log4j2.properties" \
		org.apache.kafka.connect.cli.ConnectStandalone "$DIR/worker.properties" "$@"
	until rest / >/dev/null 2>&1; do
		alive || { tail -n 30 "$LOG" >&2; die "ended before it answered"; }
		sleep 0.3
	done
	say "$(printf 'ready  %6s s  127.0.0.1:%s' "$(elapsed)" "$PORT")"
}

verb=${1:-}
[ $# -eq 0 ] || shift
mkdir -p "$DIR"
case $verb in
fetch) fetch ;;
start) start "$@" ;;
running) running "${1:?}" ;;
rest) rest "$@" ;;
stop) halt ;;
status) alive && rest '/connectors?expand=status' ;;
clean)
	halt
	rm -rf "$DIR"
	;;
*)
	echo "usage: debezium.sh fetch | start CONNECTOR.json... | running NAME | rest PATH | stop | status | clean" >&2
	exit 2
	;;
esac
