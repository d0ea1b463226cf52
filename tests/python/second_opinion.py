"""Reads a topic and the commits of groups on it, and prints what is there: lines `record ID`, `end PARTITION OFFSET` and
`committed GROUP PARTITION OFFSET`, at last `done`.

Usage: second_opinion.py BOOTSTRAP TOPIC GROUP...
"""

import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition

TIMEOUT_SECONDS = 30
# A record that does not come within as many looks of a second is not there.
LOOKS_IN_VAIN_MAX = 30


def consumer_of(group):
    return Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})


def event_id(message):
    for name, value in message.headers() or []:
        if name == "ce_id" and value is not None:
            return value.decode()
    sys.exit(f"no ce_id at {message.partition()}:{message.offset()}")


bootstrap, topic, *groups = sys.argv[1:]
reader = consumer_of("second-opinion")
known = reader.list_topics(topic, TIMEOUT_SECONDS).topics[topic]
if known.error is not None:
    sys.exit(f"{topic}: {known.error}")
partitions = [TopicPartition(topic, partition) for partition in sorted(known.partitions)]
ends = {}
for place in partitions:
    begin, end = reader.get_watermark_offsets(place, timeout=TIMEOUT_SECONDS)
    place.offset = begin
    ends[place.partition] = end
    print("end", place.partition, end)

missing = {place.partition for place in partitions if place.offset < ends[place.partition]}
reader.assign(partitions)
in_vain = 0
while missing:
    messages = reader.consume(10_000, timeout=1)
    in_vain = 0 if messages else in_vain + 1
    if in_vain > LOOKS_IN_VAIN_MAX:
        sys.exit(f"nothing more came of partitions {missing}")
    for message in messages:
        if message.error() is not None:
            if message.error().code() != KafkaError._PARTITION_EOF:
                print(message.error(), file=sys.stderr)
            continue
        print("record", event_id(message))
        if message.offset() + 1 >= ends[message.partition()]:
            missing.discard(message.partition())
reader.close()

for group in groups:
    member = consumer_of(group)
    places = [TopicPartition(topic, place.partition) for place in partitions]
    for place in member.committed(places, timeout=TIMEOUT_SECONDS):
        print("committed", group, place.partition, place.offset)
    member.close()
print("done")
