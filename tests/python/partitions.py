"""Sends each key of standard input (one a line) with murmur2 and prints the partition that it landed on.

Usage: partitions.py BOOTSTRAP TOPIC
"""

import sys

from confluent_kafka import Producer

bootstrap, topic = sys.argv[1:]
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
partitions = {}


def delivered(error, message):
    if error is not None:
        sys.exit(f"not delivered: {error}")
    partitions[message.key()] = message.partition()


keys = [line.rstrip("\n").encode() for line in sys.stdin]
for key in keys:
    producer.produce(topic, key=key, value=b"v", on_delivery=delivered)
if producer.flush(30) > 0:
    sys.exit("Kafka did not answer in time")
for key in keys:
    print(partitions[key])
