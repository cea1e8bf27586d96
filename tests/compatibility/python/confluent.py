"""The story through confluent-kafka, which is librdkafka: `confluent.py BOOTSTRAP PREFIX [CHAPTER...]`."""

import sys
import warnings

from confluent_kafka import (
    OFFSET_BEGINNING, OFFSET_END, Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from facts import EPOCH, REPLICAS, Member, describe, fact, refused, tell, wait_until

# AlterConfigs is called on purpose, though librdkafka prefers its successor.
warnings.simplefilter("ignore", DeprecationWarning)
bootstrap, prefix = sys.argv[1:3]
ORDERS, CODECS, SHARED = f"{prefix}-orders", f"{prefix}-codecs", f"{prefix}-shared"
GROUP = f"{prefix}-group"
# With no time for a new topic to spread, an unknown topic is an error at once.
COMMON = {"bootstrap.servers": bootstrap, "topic.metadata.propagation.max.ms": 0, "log_level": 0}
admin = AdminClient(COMMON)


def future_of(futures):
    (future,) = futures.values()
    return future.result(30)


def create(topic, partitions, config={}, replicas=REPLICAS):
    return future_of(admin.create_topics([NewTopic(topic, partitions, replicas, config=config)]))


def error_text(error):
    return f"{error.name()} {error.str()}"


def own_topics():
    return sorted(name for name in admin.list_topics(timeout=30).topics if name.startswith(prefix))


def config_of(topic, name):
    return future_of(admin.describe_configs([ConfigResource("topic", topic)]))[name].value


def partition_count(topic):
    return len(admin.list_topics(topic, timeout=30).topics[topic].partitions)


def topics():
    create(ORDERS, 3, {"retention.ms": "-1", "max.message.bytes": "20000"})
    create(CODECS, 1)
    create(SHARED, 6)
    # Each question goes to any of the nodes, which hear of topics one after the other.
    wait_until("topics", lambda: all(len(own_topics()) == 3 for _ in range(10)))
    refused("create again", lambda: create(ORDERS, 3))
    refused("create with an unknown config", lambda: create(f"{prefix}-bad", 1, {"retention": "1"}))
    refused("create with a wrong config", lambda: create(f"{prefix}-bad", 1, {"retention.ms": "soon"}))
    refused("create with too many replicas", lambda: create(f"{prefix}-bad", 1, replicas=4))
    refused("create with a wrong name", lambda: create(f"{prefix} bad", 1))
    metadata = admin.list_topics(timeout=30)
    fact("cluster", len(metadata.brokers), "brokers, controller", metadata.controller_id,
         [f"{broker.id} {broker.host}:{broker.port}" for broker in metadata.brokers.values()])
    fact("topics", own_topics())
    for partition in metadata.topics[ORDERS].partitions.values():
        fact("partition", partition.id, partition.leader, partition.replicas, partition.isrs)
    unknown = admin.list_topics(f"{prefix}-unknown", timeout=30).topics[f"{prefix}-unknown"]
    fact("describe unknown", error_text(unknown.error))
    describe_with_the_admin_apis()


def describe_with_the_admin_apis():
    if not hasattr(admin, "describe_topics"):
        return
    from confluent_kafka import TopicCollection
    described = admin.describe_topics(TopicCollection([ORDERS]))[ORDERS].result(30)
    fact("describe", described.name, described.is_internal, len(described.partitions))
    unknown = admin.describe_topics(TopicCollection([f"{prefix}-unknown"]))
    refused("describe an unknown topic", lambda: future_of(unknown))
    cluster = admin.describe_cluster(include_authorized_operations=True).result(30)
    fact("describe cluster", cluster.controller, [str(node) for node in cluster.nodes],
         [operation.name for operation in cluster.authorized_operations])


def configs():
    resource = ConfigResource("topic", ORDERS)
    for entry in sorted(future_of(admin.describe_configs([resource])).values(), key=lambda e: e.name):
        synonyms = [f"{s.name}={s.value} {s.source}" for s in entry.synonyms.values()]
        fact("config", entry.name, entry.value, entry.source, entry.is_read_only, entry.is_sensitive,
             sorted(synonyms))
    changed = ConfigResource("topic", ORDERS, set_config={"retention.ms": "-1", "segment.ms": "3600000"})
    future_of(admin.alter_configs([changed]))
    wait_until("the change", lambda: config_of(ORDERS, "segment.ms") == "3600000")
    fact("altered", config_of(ORDERS, "max.message.bytes"))
    future_of(admin.alter_configs([ConfigResource("topic", ORDERS, set_config={
        "retention.ms": "-1", "max.message.bytes": "20000"})]))
    wait_until("the change back", lambda: config_of(ORDERS, "max.message.bytes") == "20000")
    wrong = ConfigResource("topic", ORDERS, set_config={"retention.ms": "soon"})
    refused("alter with a wrong value", lambda: future_of(admin.alter_configs([wrong])))
    missing = ConfigResource("topic", f"{prefix}-unknown")
    refused("configs of an unknown topic", lambda: future_of(admin.describe_configs([missing])))
    future_of(admin.create_partitions([NewPartitions(ORDERS, 4)]))
    wait_until("more partitions", lambda: partition_count(ORDERS) == 4)
    refused("fewer partitions", lambda: future_of(admin.create_partitions([NewPartitions(ORDERS, 2)])))


def send(producer, topic, **record):
    """Produces one record, and gives what its delivery report says."""
    reports = []
    try:
        producer.produce(topic, on_delivery=lambda error, message: reports.append((error, message)), **record)
    except KafkaException as refused:
        # The client may know by now that there is no such topic: it says so at once then.
        return error_text(KafkaError(refused.args[0].code()))
    producer.flush(30)
    error, message = reports[0]
    return error_text(error) if error else f"{message.partition()}@{message.offset()}"


def produce():
    producer = Producer({**COMMON, "partitioner": "murmur2_random"})
    for n in range(8):
        headers = [("h", "one"), ("h", b"two"), ("null", None)] if n % 4 == 0 else None
        fact("keyed", n, send(producer, ORDERS, key=f"key-{n % 5}", value=f"value {n}", headers=headers,
                              timestamp=EPOCH + n * 1000))
    fact("no key", send(producer, ORDERS, value=b"alone", partition=0, timestamp=EPOCH + 8000))
    fact("tombstone", send(producer, ORDERS, key=b"key-1", value=None, partition=0, timestamp=EPOCH + 9000))
    fact("empty", send(producer, ORDERS, key=b"", value=b"", partition=0, timestamp=EPOCH + 10000))
    fact("too large", send(producer, ORDERS, value=b"x" * 50_000, partition=0))
    fact("unknown topic", send(producer, f"{prefix}-unknown", value=b"lost"))
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        for acks in ["0", "1", "all", "idempotent"]:
            produce_with(codec, acks)


def end_offset(topic, partition):
    consumer = Consumer({**COMMON, "group.id": "unused"})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
    consumer.close()
    return end


def produce_with(codec, acks):
    safety = {"enable.idempotence": True} if acks == "idempotent" else {"acks": acks}
    producer = Producer({**COMMON, **safety, "compression.type": codec, "linger.ms": 20})
    start, errors = end_offset(CODECS, 0), []
    for n in range(20):
        producer.produce(CODECS, f"{codec} {acks} {n} ".encode() * 20, partition=0,
                         on_delivery=lambda error, _: errors.append(error))
    producer.flush(30)
    wait_until("delivery", lambda: end_offset(CODECS, 0) >= start + 20)
    fact("codec", codec, "acks", acks, [e for e in errors if e], len(errors), "up to", end_offset(CODECS, 0))


def read(topic, starts, count, **config):
    """Consumes `count` records from (partition, offset) pairs, in order within each partition."""
    consumer = Consumer({**COMMON, "group.id": "unused", "auto.offset.reset": "error", **config})
    consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in starts])
    records = []

    def poll():
        for message in consumer.consume(100, 0.5):
            if message.error():
                raise KafkaException(message.error())
            records.append(message)
        return len(records) >= count

    try:
        wait_until("records", poll)
        return sorted(records, key=lambda record: record.partition())
    finally:
        consumer.close()


def consume():
    every = [(partition, OFFSET_BEGINNING) for partition in range(4)]
    for isolation in ["read_uncommitted", "read_committed"]:
        for r in read(ORDERS, every, 11, **{"isolation.level": isolation}):
            fact(isolation, f"{r.partition()}@{r.offset()}", r.key(), r.value(), r.headers(), r.timestamp())
    values = [record.value() for record in read(CODECS, [(0, OFFSET_BEGINNING)], 400)]
    fact("codecs", len(values), values[0][:20], values[-1][:20], len(set(values)))
    fact("from an offset", read(CODECS, [(0, 77)], 1)[0].offset())
    fact("from the end", read(CODECS, [(0, 395)], 5)[-1].offset())
    consumer = Consumer({**COMMON, "group.id": "unused"})
    for time in [0, EPOCH + 8500, EPOCH + 3_600_000]:
        found = consumer.offsets_for_times([TopicPartition(ORDERS, 0, time)], timeout=30)[0]
        fact("offset at", time, found.offset, found.error)
    for partition in range(4):
        fact("watermarks", partition, consumer.get_watermark_offsets(TopicPartition(ORDERS, partition), timeout=30))
    consumer.close()
    refused("out of range", lambda: read(CODECS, [(0, 1000)], 1))
    fact("out of range, from the start", read(CODECS, [(0, 1000)], 1, **{"auto.offset.reset": "earliest"})[0].offset())
    list_offsets()


def list_offsets():
    if not hasattr(admin, "list_offsets"):
        return
    from confluent_kafka.admin import OffsetSpec
    specs = {"earliest": OffsetSpec.earliest(), "latest": OffsetSpec.latest(),
             "max timestamp": OffsetSpec.max_timestamp(), "timestamp": OffsetSpec.for_timestamp(EPOCH + 8500)}
    for name, spec in specs.items():
        found = future_of(admin.list_offsets({TopicPartition(ORDERS, 0): spec}))
        fact("list offsets", name, found.offset, found.timestamp)


def member(**config):
    consumer = Consumer({**COMMON, "group.id": GROUP, "auto.offset.reset": "earliest", "client.id": "member",
                         "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500,
                         **config})
    consumer.subscribe([SHARED])
    return consumer


def poll(consumer, seen):
    message = consumer.poll(0.1)
    if message is not None and not message.error():
        seen.add((message.partition(), message.offset(), message.value()))


def shares(members):
    return sorted(len(consumer.assignment()) for consumer in members)


def groups():
    producer = Producer(COMMON)
    for n in range(12):
        send(producer, SHARED, value=f"first {n}", partition=n % 6)
    for strategy in ["range", "cooperative-sticky"]:
        one_is_killed(strategy)
    commit_and_resume(producer)
    administer()


def one_is_killed(strategy):
    config = {"partition.assignment.strategy": strategy}
    seen, members = set(), [member(**config), member(**config)]
    killed = Member(strategy)

    def share(expected):
        for consumer in members:
            poll(consumer, seen)
        return shares(members) == expected

    # In cooperative steps the third member gets its share after the others gave theirs up.
    wait_until("three members", lambda: share([2, 2]) and assigned() == [2, 2, 2])
    fact(strategy, "three members", shares(members))
    describe_group()
    refused("delete a group with members", lambda: future_of(admin.delete_consumer_groups([GROUP])))
    killed.kill()
    wait_until("the others take over", lambda: share([3, 3]))
    wait_until("all records", lambda: share([3, 3]) and len(seen) == 12)
    fact(strategy, "one was killed", shares(members), sorted(seen))
    for consumer in members:
        consumer.close()
    describe_group()


def group_now():
    return future_of(admin.describe_consumer_groups([GROUP], request_timeout=30))


def assigned():
    """How many partitions each member has in the group's eyes."""
    return sorted(len(member.assignment.topic_partitions) for member in group_now().members)


def describe_group():
    group = group_now()
    members = sorted(f"{m.client_id} {m.host} {len(m.assignment.topic_partitions)}" for m in group.members)
    fact("group", group.group_id, group.state.name, group.partition_assignor, group.is_simple_consumer_group,
         group.coordinator.id, members)


def commit_and_resume(producer):
    seen, consumer = set(), member()
    wait_until("all records", lambda: poll(consumer, seen) or len(seen) == 12)
    partitions = [TopicPartition(SHARED, partition) for partition in range(6)]
    fact("nothing committed", [p.offset for p in consumer.committed(partitions, timeout=30)])
    fact("commit", sorted((p.partition, p.offset, p.error) for p in consumer.commit(asynchronous=False)))
    fact("committed", [p.offset for p in consumer.committed(partitions, timeout=30)])
    consumer.close()
    for n in range(6):
        send(producer, SHARED, value=f"second {n}", partition=n)
    seen, consumer = set(), member()
    wait_until("the new records", lambda: poll(consumer, seen) or len(seen) == 6)
    fact("resumed", sorted(seen))
    consumer.close()
    static_member()
    consumer = Consumer({**COMMON, "group.id": f"{prefix}-simple"})
    odd = [TopicPartition(SHARED, 0, 1, metadata="noted"), TopicPartition(SHARED, 17, 1)]
    refused("commit for an unknown partition", lambda: [
        (p.partition, p.offset, p.error) for p in consumer.commit(offsets=odd, asynchronous=False)])
    consumer.close()


def static_member():
    """It stays in its group when it closes, and comes back as the same member."""
    static = {"group.id": f"{prefix}-static", "group.instance.id": "one", "session.timeout.ms": 45_000}
    for _ in range(2):
        seen, consumer = set(), member(**static)
        wait_until("all records", lambda: poll(consumer, seen) or len(seen) == 18)
        consumer.close()
    group = future_of(admin.describe_consumer_groups([f"{prefix}-static"], request_timeout=30))
    fact("static", group.state.name, [member.group_instance_id for member in group.members])
    refused("delete its group", lambda: future_of(admin.delete_consumer_groups([f"{prefix}-static"])))


def administer():
    listed = admin.list_consumer_groups(request_timeout=30).result()
    fact("groups", sorted((g.group_id, g.state.name, g.is_simple_consumer_group) for g in listed.valid
                          if g.group_id.startswith(prefix)))
    refused("describe an unknown group", lambda: [
        (g.state.name, len(g.members)) for g in [future_of(admin.describe_consumer_groups([f"{prefix}-none"]))]])
    wanted = [ConsumerGroupTopicPartitions(GROUP)]
    fact("offsets", sorted((p.partition, p.offset, p.metadata) for p in
                           future_of(admin.list_consumer_group_offsets(wanted)).topic_partitions))
    moved = [ConsumerGroupTopicPartitions(GROUP, [TopicPartition(SHARED, 0, 1)])]
    future_of(admin.alter_consumer_group_offsets(moved))
    fact("moved offsets", sorted((p.partition, p.offset) for p in
                                 future_of(admin.list_consumer_group_offsets(wanted)).topic_partitions))
    for group in [GROUP, f"{prefix}-simple"]:
        refused("delete a group", lambda: future_of(admin.delete_consumer_groups([group])))
        refused("delete it again", lambda: future_of(admin.delete_consumer_groups([group])))


def farewell():
    for topic in [ORDERS, CODECS, SHARED]:
        future_of(admin.delete_topics([topic]))
    refused("delete an unknown topic", lambda: future_of(admin.delete_topics([f"{prefix}-unknown"])))
    wait_until("no topics", lambda: not own_topics())


def be_a_member():
    consumer = member(**{"partition.assignment.strategy": sys.argv[4]})
    while True:
        consumer.poll(1)


if sys.argv[3:4] == ["member"]:
    be_a_member()
else:
    tell({"topics": topics, "configs": configs, "produce": produce, "consume": consume, "groups": groups,
          "farewell": farewell})
