"""Writes a series of transactions to partition 0 of a topic, with plain events in between. The last thing in the log is
the marker that ends a committed transaction.

Events have one of 20 keys, for compaction, and the type "committed" or "aborted", as their transaction is about to end.

usage: transaction_series.py BOOTSTRAP TOPIC SEED ROUNDS
"""

import random
import sys

from confluent_kafka import Producer


def event(producer, topic, chance, number, fate):
    headers = {"ce_specversion": "1.0", "ce_id": str(number), "ce_source": "/s", "ce_type": fate}
    key = f"k{chance.randrange(20)}"
    producer.produce(topic, value=b"{}", key=key, partition=0, headers=headers)


def main():
    bootstrap, topic, seed, rounds = sys.argv[1:]
    chance = random.Random(int(seed))
    transactional = Producer({"bootstrap.servers": bootstrap, "transactional.id": topic})
    plain = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    transactional.init_transactions()
    for turn in range(int(rounds)):
        last = turn + 1 == int(rounds)
        if not last and chance.random() < 0.2:
            event(plain, topic, chance, turn, "committed")
            if plain.flush(30) > 0:
                sys.exit("an event was not acknowledged")
            continue
        fate = "aborted" if not last and chance.random() < 0.3 else "committed"
        transactional.begin_transaction()
        for _ in range(chance.randint(1, 4)):
            event(transactional, topic, chance, turn, fate)
        transactional.flush()
        if fate == "committed":
            transactional.commit_transaction()
        else:
            transactional.abort_transaction()


main()
