"""Writes events to partition 0 of a topic: two in a transaction, which then ends as told, and a third without one, which
commit-last leaves out.

usage: transactions.py BOOTSTRAP TOPIC commit|commit-last|abort
"""

import sys

from confluent_kafka import Producer


def event(producer, topic, number):
    headers = {"ce_specversion": "1.0", "ce_id": str(number), "ce_source": "/s", "ce_type": "t1"}
    producer.produce(topic, value=b"{}", partition=0, headers=headers)


def main():
    bootstrap, topic, end = sys.argv[1:]
    transactional = Producer({"bootstrap.servers": bootstrap, "transactional.id": topic})
    transactional.init_transactions()
    transactional.begin_transaction()
    for number in range(2):
        event(transactional, topic, number)
    transactional.flush()
    if end != "abort":
        transactional.commit_transaction()
    else:
        transactional.abort_transaction()
    # The end is answered once it is decided, and the marker written some time after that. Only when it is there is the
    # next one of this name let in; without this wait the last event may get the marker's offset.
    Producer({"bootstrap.servers": bootstrap, "transactional.id": topic}).init_transactions()
    if end == "commit-last":
        return
    plain = Producer({"bootstrap.servers": bootstrap})
    event(plain, topic, 2)
    if plain.flush(30) > 0:
        sys.exit("the last event was not acknowledged")


main()
