"""The story through kafka-python: `kafka_python.py BOOTSTRAP PREFIX [CHAPTER...]`.

Between the old version and the newest the admin client was renamed and answers in other types: what
is asked is the same, and each version's answers are printed as they are.
"""

import sys
import threading
import time
import warnings

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.structs import OffsetAndMetadata

from facts import EPOCH, REPLICAS, Member, fact, plain, refused, tell, wait_until

warnings.simplefilter("ignore", DeprecationWarning)
bootstrap, prefix = sys.argv[1:3]
ORDERS, CODECS, SHARED = f"{prefix}-orders", f"{prefix}-codecs", f"{prefix}-shared"
GROUP = f"{prefix}-group"
admin = KafkaAdminClient(bootstrap_servers=bootstrap)
IS_NEW = hasattr(admin, "list_groups")


def create(topic, partitions, config={}, replicas=REPLICAS):
    admin.create_topics([NewTopic(topic, partitions, replicas, topic_configs=config)])


def own_topics():
    return sorted(name for name in admin.list_topics() if name.startswith(prefix))


def topics():
    create(ORDERS, 3, {"retention.ms": "-1", "max.message.bytes": "20000"})
    create(CODECS, 1)
    create(SHARED, 6)
    wait_until("topics", lambda: len(own_topics()) == 3)
    refused("create again", lambda: create(ORDERS, 3))
    refused("create with an unknown config", lambda: create(f"{prefix}-bad", 1, {"retention": "1"}))
    refused("create with a wrong config", lambda: create(f"{prefix}-bad", 1, {"retention.ms": "soon"}))
    refused("create with too many replicas", lambda: create(f"{prefix}-bad", 1, replicas=4))
    refused("create with a wrong name", lambda: create(f"{prefix} bad", 1))
    fact("topics", own_topics())
    cluster = admin.describe_cluster()
    fact("cluster", plain(cluster["brokers"]), cluster["controller_id"], plain(cluster.get("authorized_operations")))
    for topic in admin.describe_topics([ORDERS]):
        fact("topic", plain(topic))
    fact("unknown topic", plain(admin.describe_topics([f"{prefix}-unknown"])))


def resource(topic, configs=None):
    return ConfigResource(ConfigResourceType.TOPIC, topic, configs)


def described():
    """All configs of the topic, by name."""
    if IS_NEW:
        return admin.describe_configs([resource(ORDERS)], include_synonyms=True, config_filter="all")["topic"][ORDERS]
    (answer,) = admin.describe_configs([resource(ORDERS)], include_synonyms=True)
    return {entry[0]: entry for *_, entries in answer.resources for entry in entries}


def configs():
    for name, entry in sorted(described().items()):
        fact("config", name, plain(entry))
    wanted = {"retention.ms": "-1", "max.message.bytes": "20000", "segment.ms": "3600000"}
    fact("alter", plain(admin.alter_configs([resource(ORDERS, wanted)])))
    wait_until("the change", lambda: "3600000" in str(described()["segment.ms"]))
    refused("alter with a wrong value", lambda: plain(admin.alter_configs([resource(ORDERS, {"retention.ms": "soon"})])))
    refused("configs of an unknown topic", lambda: plain(admin.describe_configs([resource(f"{prefix}-unknown")])))
    admin.create_partitions({ORDERS: NewPartitions(4)})
    wait_until("four partitions", lambda: len(admin.describe_topics([ORDERS])[0]["partitions"]) == 4)
    refused("fewer partitions", lambda: plain(admin.create_partitions({ORDERS: NewPartitions(2)})))


def send(producer, topic, **record):
    sent = producer.send(topic, **record).get(30)
    return f"{sent.partition}@{sent.offset} {sent.timestamp}"


def produce():
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", max_block_ms=3000)
    for n in range(8):
        headers = [("h", b"one"), ("h", b"two"), ("empty", b"")] if n % 4 == 0 else None
        fact("keyed", n, send(producer, ORDERS, key=b"key-%d" % (n % 5), value=b"value %d" % n, headers=headers,
                              timestamp_ms=EPOCH + n * 1000))
    fact("no key", send(producer, ORDERS, value=b"alone", partition=0, timestamp_ms=EPOCH + 8000))
    fact("tombstone", send(producer, ORDERS, key=b"key-1", value=None, partition=0, timestamp_ms=EPOCH + 9000))
    fact("empty", send(producer, ORDERS, key=b"", value=b"", partition=0, timestamp_ms=EPOCH + 10_000))
    refused("too large", lambda: send(producer, ORDERS, value=b"x" * 50_000, partition=0))
    refused("unknown topic", lambda: send(producer, f"{prefix}-unknown", value=b"lost"))
    producer.close()
    for codec in [None, "gzip", "snappy", "lz4", "zstd"]:
        for acks in [0, 1, "all", "idempotent"]:
            if acks != "idempotent" or IS_NEW:
                produce_with(codec, acks)


def end_offset(topic):
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    partition = TopicPartition(topic, 0)
    end = consumer.end_offsets([partition])[partition]
    consumer.close()
    return end


def produce_with(codec, acks):
    safety = {"enable_idempotence": acks == "idempotent"} if IS_NEW else {}
    start = end_offset(CODECS)
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=codec, linger_ms=20,
                             acks="all" if acks == "idempotent" else acks, **safety)
    sent = [producer.send(CODECS, f"{codec} {acks} {n} ".encode() * 20, partition=0) for n in range(20)]
    producer.flush(30)
    wait_until("delivery", lambda: end_offset(CODECS) == start + 20)
    fact("codec", codec, "acks", acks, sent[0].get(30).offset, sent[19].get(30).offset, "up to", start + 20)
    producer.close()


def read(topic, partitions, count, offset=None, **config):
    """Consumes `count` records, in order within each partition; from the start without an offset."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, **{"auto_offset_reset": "none", **config})
    assigned = [TopicPartition(topic, partition) for partition in range(partitions)]
    consumer.assign(assigned)
    if offset is None:
        consumer.seek_to_beginning()
    else:
        consumer.seek(assigned[0], offset)
    records = []

    def poll():
        for batch in consumer.poll(500).values():
            records.extend(batch)
        return len(records) >= count

    try:
        wait_until("records", poll)
        return sorted(records, key=lambda record: record.partition)
    finally:
        consumer.close()


def consume():
    for r in read(ORDERS, 4, 11):
        fact("record", f"{r.partition}@{r.offset}", r.key, r.value, r.headers, r.timestamp, r.timestamp_type)
    records = read(CODECS, 1, 400 if IS_NEW else 300)
    fact("codecs", len(records), len({record.value for record in records}),
         [record.offset for record in records] == list(range(len(records))))
    fact("from an offset", read(CODECS, 1, 1, offset=77)[0].offset)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    partition = TopicPartition(ORDERS, 0)
    for at in [0, EPOCH + 8500, EPOCH + 3_600_000]:
        fact("offset at", at, consumer.offsets_for_times({partition: at})[partition])
    fact("offsets", consumer.beginning_offsets([partition])[partition], consumer.end_offsets([partition])[partition])
    fact("partitions", sorted(consumer.partitions_for_topic(ORDERS)))
    consumer.close()
    refused("out of range", lambda: read(CODECS, 1, 1, offset=1000))
    fact("out of range, from the start", read(CODECS, 1, 1, offset=1000, auto_offset_reset="earliest")[0].offset)


def member(**config):
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, **{
        "group_id": GROUP, "client_id": "member", "auto_offset_reset": "earliest", "enable_auto_commit": False,
        "session_timeout_ms": 6000, "heartbeat_interval_ms": 500, "max_poll_interval_ms": 10_000, **config})
    consumer.subscribe([SHARED])
    return consumer


def poll(consumer, seen):
    for batch in consumer.poll(100).values():
        seen.update((record.partition, record.offset, record.value) for record in batch)


def groups():
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for n in range(12):
        send(producer, SHARED, value=b"first %d" % n, partition=n % 6)
    one_is_killed()
    commit_and_resume(producer)
    producer.close()
    administer()


class Joined(threading.Thread):
    """A member on a thread of its own, as `poll` waits for the other members while a group forms."""

    def __init__(self):
        super().__init__()
        self.seen, self.share, self.leaves = set(), 0, threading.Event()
        self.start()

    def run(self):
        consumer = member()
        while not self.leaves.is_set():
            poll(consumer, self.seen)
            self.share = len(consumer.assignment())
        consumer.close()


def one_is_killed():
    members, killed = [Joined(), Joined()], Member()

    def share(size, count):
        time.sleep(0.05)  # between two looks at what the threads do
        seen = set().union(*(member.seen.copy() for member in members))
        return all(member.share == size for member in members) and len(seen) >= count

    wait_until("three members", lambda: share(2, 0))
    describe_group("three members")
    refused("delete a group with members", lambda: plain(delete_group(GROUP)))
    killed.kill()
    wait_until("the others take over", lambda: share(3, 12))
    describe_group("one was killed")
    for joined in members:
        joined.leaves.set()
        joined.join()
    fact("seen", sorted(members[0].seen | members[1].seen))
    describe_group("all left")


def delete_group(name):
    return (admin.delete_groups if IS_NEW else admin.delete_consumer_groups)([name])


def describe_group(fact_name, name=GROUP):
    if IS_NEW:
        group = admin.describe_groups([name])[name]
        group = {**group, "members": len(group["members"])}
    else:
        (group,) = admin.describe_consumer_groups([name])
        group = group._replace(members=len(group.members))._asdict()
    fact(fact_name, plain(group))


def offsets():
    found = admin.list_group_offsets(GROUP)[GROUP] if IS_NEW else admin.list_consumer_group_offsets(GROUP)
    return sorted((partition.partition, *offset) for partition, offset in found.items())


def commit_and_resume(producer):
    seen, consumer = set(), member()
    wait_until("all records", lambda: poll(consumer, seen) or len(seen) == 12)
    partitions = [TopicPartition(SHARED, partition) for partition in range(6)]
    fact("nothing committed", [consumer.committed(partition) for partition in partitions])
    consumer.commit()
    fact("committed", [consumer.committed(partition) for partition in partitions], offsets())
    too_much = OffsetAndMetadata(2, "x" * 5000, *([-1] if IS_NEW else []))
    refused("commit too much metadata", lambda: consumer.commit({partitions[0]: too_much}))
    consumer.close()
    for n in range(6):
        send(producer, SHARED, value=b"second %d" % n, partition=n)
    seen, consumer = set(), member()
    wait_until("the new records", lambda: poll(consumer, seen) or len(seen) == 6)
    fact("resumed", sorted(seen))
    consumer.close()


def administer():
    listed = admin.list_groups() if IS_NEW else admin.list_consumer_groups()
    fact("groups", [plain(group) for group in listed if GROUP in str(group)])
    describe_group("unknown group", f"{prefix}-none")
    if IS_NEW:
        first = TopicPartition(SHARED, 0)
        fact("move", plain(admin.alter_group_offsets(GROUP, {first: OffsetAndMetadata(1, "noted", -1)})))
        fact("moved", offsets())
        fact("delete an offset", plain(admin.delete_group_offsets(GROUP, [first])))
        fact("deleted", offsets())
    fact("delete", plain(delete_group(GROUP)))
    fact("delete again", plain(delete_group(GROUP)))


def farewell():
    if IS_NEW:
        refused("delete records", lambda: plain(admin.delete_records({TopicPartition(ORDERS, 0): 3})))
    for topic in own_topics():
        admin.delete_topics([topic])
    refused("delete an unknown topic", lambda: admin.delete_topics([f"{prefix}-unknown"]))
    wait_until("no topics", lambda: not own_topics())


def be_a_member():
    consumer = member()
    while True:
        consumer.poll(1000)


if sys.argv[3:4] == ["member"]:
    be_a_member()
else:
    tell({"topics": topics, "configs": configs, "produce": produce, "consume": consume, "groups": groups,
          "farewell": farewell})
