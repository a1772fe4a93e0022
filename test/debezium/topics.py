#!/usr/bin/python3
"""The topics of a prefix: writes their records as JSON lines, or deletes them.

    topics.py read PREFIX      to standard output; topic PREFIX itself and those that begin with "PREFIX."
    topics.py delete PREFIX

Needs KAFKA_BOOTSTRAP and Debian's python3-confluent-kafka.  A record is
    {"topic": ..., "partition": ..., "headers": [[name, text or null], ...], "key": ..., "value": ...}
where key and value are the bytes of the record (JSON text) as they are, null if there are none.
"""
import json
import os
import sys

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

BROKER = {"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP"], "log_level": 3}


def topics(client, prefix):
    found = client.list_topics(timeout=30).topics
    return {n: sorted(t.partitions) for n, t in sorted(found.items()) if n == prefix or n.startswith(prefix + ".")}


def quote(value):
    return json.dumps(value, ensure_ascii=False)


def line(message):
    headers = [[k, None if v is None else v.decode()] for k, v in message.headers() or []]
    key, value = ("null" if b is None else b.decode() for b in (message.key(), message.value()))
    return (f'{{"topic": {quote(message.topic())}, "partition": {message.partition()}, "headers": {quote(headers)},'
            f' "key": {key}, "value": {value}}}')


def read(prefix):
    consumer = Consumer({**BROKER, "group.id": "golden", "enable.auto.commit": False, "fetch.wait.max.ms": 20,
                         "isolation.level": "read_committed", "enable.partition.eof": False})
    for topic, partitions in topics(consumer, prefix).items():
        for partition in partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
            consumer.assign([TopicPartition(topic, partition, low)])
            offset = low
            while offset < high:
                message = consumer.poll(30)
                if message is None or message.error():
                    sys.exit(f"{topic}: {message and message.error()}")
                print(line(message))
                offset = message.offset() + 1
    consumer.close()


def delete(prefix):
    admin = AdminClient(BROKER)
    found = list(topics(admin, prefix))
    if found:
        for result in admin.delete_topics(found, operation_timeout=30).values():
            result.result()


if len(sys.argv) != 3 or sys.argv[1] not in ("read", "delete"):
    sys.exit(__doc__)
(read if sys.argv[1] == "read" else delete)(sys.argv[2])
