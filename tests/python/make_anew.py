"""Deletes a topic and makes it anew, with one partition and without records.

usage: make_anew.py BOOTSTRAP TOPIC
"""

import sys
import time

from confluent_kafka.admin import AdminClient, NewTopic


def main():
    bootstrap, topic = sys.argv[1:]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.delete_topics([topic])[topic].result(30)
    # The broker answers before the name is free.
    for _ in range(100):
        try:
            admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
            return
        except Exception as error:
            last = error
            time.sleep(0.1)
    sys.exit(f"the topic was not made anew: {last}")


main()
