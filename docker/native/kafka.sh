#!/usr/bin/env bash
# One Apache Kafka broker (KRaft, combined mode) from its Maven artifacts.
# Listeners from KAFKA's port P on: P PLAINTEXT, P+1 its controller, P+2 SASL_PLAINTEXT, P+3 SSL, P+4 SASL_SSL.
# User alice by SASL PLAIN, user bob by SCRAM-SHA-256 and -512; client certificates are asked for, not required.
#   KAFKA_VERSION (4.3.1)   KAFKA_HEAP (256m)
#   KAFKA_ROLES (broker,controller)   KAFKA_NODE (1)   KAFKA_VOTERS (1@ its own controller), KAFKA_PROPERTIES (none; lines): to be one of several
#   KAFKA_FAST (1: quick compiler and collector only, for a quick start; 0: the JVM's own choice, for measuring)
STORE=kafka
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
port KAFKA 9192

VERSION=${KAFKA_VERSION:-4.3.1}
JARS=$DOWNLOADS/kafka-$VERSION
DATA=$DIR/data
CLUSTER_ID=CipherHorizonTestAAAAA # any 22 characters of base64url

packages() {
	java_between 17 99 >/dev/null || echo openjdk-17-jre-headless
	[ -e "$JARS/.complete" ] || need mvn maven
	need openssl openssl
}

address() { listener 0; }
listener() { echo "127.0.0.1:$((KAFKA_PORT + $1))"; }

fetch() {
	[ ! -e "$JARS/.complete" ] || return 0
	say "fetching Kafka $VERSION from Maven"
	maven_jars "$JARS" "org.apache.kafka:kafka_2.13:$VERSION" org.apache.logging.log4j:log4j-slf4j-impl:2.25.4
}

ready() {
	grep -q 'Kafka Server started' "$LOG" && (exec 3<>"/dev/tcp/127.0.0.1/$KAFKA_PORT") 2>/dev/null
}

# login LISTENER : who may log in there
login() {
	local security=org.apache.kafka.common.security
	echo "listener.name.$1.plain.sasl.jaas.config=$security.plain.PlainLoginModule required user_alice=\"$KAFKA_SASL_PASSWORD\";"
	echo "listener.name.$1.scram-sha-256.sasl.jaas.config=$security.scram.ScramLoginModule required;"
	echo "listener.name.$1.scram-sha-512.sasl.jaas.config=$security.scram.ScramLoginModule required;"
}

configure() {
	local roles=${KAFKA_ROLES:-broker,controller} controller=
	[[ $roles != *controller* ]] || controller="CONTROLLER://$(listener 1),"
	(umask 077 && cat >"$DIR/server.properties") <<-CONF
		process.roles=$roles
		node.id=${KAFKA_NODE:-1}
		controller.quorum.voters=${KAFKA_VOTERS:-1@$(listener 1)}
		controller.listener.names=CONTROLLER
		listeners=PLAINTEXT://$(listener 0),${controller}SASL_PLAINTEXT://$(listener 2),SSL://$(listener 3),SASL_SSL://$(listener 4)
		advertised.listeners=PLAINTEXT://$(listener 0),SASL_PLAINTEXT://$(listener 2),SSL://$(listener 3),SASL_SSL://$(listener 4)
		listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
		inter.broker.listener.name=PLAINTEXT
		sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
		$(login sasl_plaintext)
		$(login sasl_ssl)
		ssl.keystore.type=PEM
		ssl.keystore.location=$DIR/tls/server.pem
		ssl.truststore.type=PEM
		ssl.truststore.location=$DIR/tls/ca.crt
		listener.name.ssl.ssl.client.auth=requested
		log.dirs=$DATA
		auto.create.topics.enable=true
		num.partitions=1
		default.replication.factor=1
		min.insync.replicas=1
		offsets.topic.replication.factor=1
		offsets.topic.num.partitions=3
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=3
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
		group.initial.rebalance.delay.ms=0
		log.retention.hours=24
		${KAFKA_PROPERTIES:-}
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

format() {
	[ ! -e "$DATA/meta.properties" ] || return 0
	step "$DIR/format.log" "$JAVA" -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp "$JARS/*" \
		-Dlog4j2.configurationFile="$DIR/log4j2.properties" kafka.tools.StorageTool \
		format -t "$CLUSTER_ID" -c "$DIR/server.properties" \
		--add-scram "SCRAM-SHA-256=[name=bob,password=$KAFKA_SCRAM_PASSWORD]" \
		--add-scram "SCRAM-SHA-512=[name=bob,password=$KAFKA_SCRAM_PASSWORD]"
}

launch() {
	local heap=${KAFKA_HEAP:-256m} quick=()
	JAVA=$(java_between 17 99) || die "no Java for Kafka $VERSION"
	[ "${KAFKA_FAST:-1}" != 1 ] || quick=(-XX:TieredStopAtLevel=1 -XX:+UseSerialGC)
	certificates "$DIR/tls"
	configure
	format
	spawn "$PIDFILE" "$LOG" "$JAVA" -Xms"$heap" -Xmx"$heap" -XX:MaxDirectMemorySize=128m -Djava.awt.headless=true \
		"${quick[@]}" -cp "$JARS/*" -Dlog4j2.configurationFile="$DIR/log4j2.properties" \
		kafka.Kafka "$DIR/server.properties"
}

exports() {
	export_line KAFKA_HOST 127.0.0.1
	export_line KAFKA_PORT "$KAFKA_PORT"
	export_line KAFKA_BOOTSTRAP "$(listener 0)"
	export_line KAFKA_SASL_BOOTSTRAP "$(listener 2)"
	export_line KAFKA_TLS_BOOTSTRAP "$(listener 3)"
	export_line KAFKA_SASL_TLS_BOOTSTRAP "$(listener 4)"
	export_line KAFKA_SASL_MECHANISM PLAIN
	export_line KAFKA_SASL_USER alice
	export_line KAFKA_SASL_PASSWORD "$KAFKA_SASL_PASSWORD"
	export_line KAFKA_SCRAM_USER bob
	export_line KAFKA_SCRAM_PASSWORD "$KAFKA_SCRAM_PASSWORD"
	export_line KAFKA_CA "$DIR/tls/ca.crt"
	export_line KAFKA_CLIENT_CERT "$DIR/tls/client.crt"
	export_line KAFKA_CLIENT_KEY "$DIR/tls/client.key"
	export_line KAFKA_DATA "$DATA"
	export_line KAFKA_PID "$(pids)"
}

store_main "$@"
