"""The story through aiokafka: `aiokafka_story.py BOOTSTRAP PREFIX [CHAPTER...]`."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from facts import EPOCH, LIMIT, REPLICAS, Member, fact, plain, tell

bootstrap, prefix = sys.argv[1:3]
ORDERS, CODECS, SHARED = f"{prefix}-orders", f"{prefix}-codecs", f"{prefix}-shared"
GROUP = f"{prefix}-group"


async def refused(name, action):
    """Prints how an action fails; that it does not fail is a fact too."""
    try:
        fact(name, "accepted", await action)
    except Exception as error:
        fact(name, type(error).__name__, " ".join(str(error).split()))


async def wait_until(name, condition):
    """Calls `condition`, which does some of the work itself, until it holds."""
    async def holds():
        while not await condition():
            pass

    try:
        await asyncio.wait_for(holds(), LIMIT)
    except asyncio.TimeoutError:
        fact(name, "did not happen")
        sys.exit(1)


class Admin:
    """An admin client for one block."""

    async def __aenter__(self):
        self.client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await self.client.start()
        return self.client

    async def __aexit__(self, *_):
        await self.client.close()


async def create(admin, topic, partitions, config={}, replicas=REPLICAS):
    answer = await admin.create_topics([NewTopic(topic, partitions, replicas, topic_configs=config)])
    return [tuple(error[1:]) for error in answer.topic_errors]


async def own_topics(admin):
    return sorted(name for name in await admin.list_topics() if name.startswith(prefix))


async def topics():
    async with Admin() as admin:
        fact("create", await create(admin, ORDERS, 3, {"retention.ms": "-1", "max.message.bytes": "20000"}))
        await create(admin, CODECS, 1)
        await create(admin, SHARED, 6)

        async def known():
            return len(await own_topics(admin)) == 3

        await wait_until("topics", known)
        await refused("create again", create(admin, ORDERS, 3))
        await refused("create with an unknown config", create(admin, f"{prefix}-bad", 1, {"retention": "1"}))
        await refused("create with a wrong config", create(admin, f"{prefix}-bad", 1, {"retention.ms": "soon"}))
        await refused("create with too many replicas", create(admin, f"{prefix}-bad", 1, replicas=4))
        await refused("create with a wrong name", create(admin, f"{prefix} bad", 1))
        fact("topics", await own_topics(admin))
        cluster = await admin.describe_cluster()
        fact("cluster", plain(cluster["brokers"]), cluster["controller_id"])
        for topic in await admin.describe_topics([ORDERS, f"{prefix}-unknown"]):
            fact("topic", plain(topic))


def resource(topic, configs=None):
    return ConfigResource(ConfigResourceType.TOPIC, topic, configs)


async def described(admin):
    (answer,) = await admin.describe_configs([resource(ORDERS)], include_synonyms=True)
    return {entry[0]: entry for *_, entries in answer.resources for entry in entries}


async def configs():
    async with Admin() as admin:
        for name, entry in sorted((await described(admin)).items()):
            fact("config", name, entry)
        wanted = {"retention.ms": "-1", "max.message.bytes": "20000", "segment.ms": "3600000"}
        fact("alter", await admin.alter_configs([resource(ORDERS, wanted)]))

        async def changed():
            return "3600000" in (await described(admin))["segment.ms"]

        await wait_until("the change", changed)
        await refused("alter with a wrong value", admin.alter_configs([resource(ORDERS, {"retention.ms": "soon"})]))
        await refused("configs of an unknown topic", admin.describe_configs([resource(f"{prefix}-unknown")]))
        fact("more partitions", await admin.create_partitions({ORDERS: NewPartitions(4)}))

        async def grown():
            return len((await admin.describe_topics([ORDERS]))[0]["partitions"]) == 4

        await wait_until("four partitions", grown)
        await refused("fewer partitions", admin.create_partitions({ORDERS: NewPartitions(2)}))


async def send(producer, topic, **record):
    sent = await producer.send_and_wait(topic, **record)
    return f"{sent.partition}@{sent.offset} {sent.timestamp}"


async def produce():
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for n in range(8):
            headers = [("h", b"one"), ("h", b"two"), ("empty", b"")] if n % 4 == 0 else None
            fact("keyed", n, await send(producer, ORDERS, key=b"key-%d" % (n % 5), value=b"value %d" % n,
                                        headers=headers, timestamp_ms=EPOCH + n * 1000))
        fact("no key", await send(producer, ORDERS, value=b"alone", partition=0, timestamp_ms=EPOCH + 8000))
        fact("tombstone", await send(producer, ORDERS, key=b"key-1", partition=0, timestamp_ms=EPOCH + 9000))
        fact("empty", await send(producer, ORDERS, key=b"", value=b"", partition=0, timestamp_ms=EPOCH + 10_000))
        await refused("too large", send(producer, ORDERS, value=b"x" * 50_000, partition=0))
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, request_timeout_ms=5000) as impatient:
        await refused("unknown topic", send(impatient, f"{prefix}-unknown", value=b"lost"))
    for codec in [None, "gzip", "snappy", "lz4", "zstd"]:
        for acks in [0, 1, "all", "idempotent"]:
            await produce_with(codec, acks)


async def produce_with(codec, acks):
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as looking:
        async def end():
            return (await looking.end_offsets([TopicPartition(CODECS, 0)]))[TopicPartition(CODECS, 0)]

        start, idempotent = await end(), acks == "idempotent"
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type=codec, linger_ms=20,
                                    acks="all" if idempotent else acks, enable_idempotence=idempotent) as producer:
            for n in range(20):
                await producer.send(CODECS, f"{codec} {acks} {n} ".encode() * 20, partition=0)

        async def delivered():
            return await end() == start + 20

        await wait_until("delivery", delivered)
        fact("codec", codec, "acks", acks, "up to", start + 20)


async def read(topic, partitions, count, offset=None, **config):
    """Consumes `count` records, in order within each partition; from the start without an offset."""
    options = {"auto_offset_reset": "none", "fetch_max_wait_ms": 100, **config}
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, **options) as consumer:
        assigned = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(assigned)
        if offset is None:
            await consumer.seek_to_beginning()
        else:
            consumer.seek(assigned[0], offset)
        records = []

        async def poll():
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                records.extend(batch)
            return len(records) >= count

        await wait_until("records", poll)
        return sorted(records, key=lambda record: record.partition)


async def consume():
    for isolation in ["read_uncommitted", "read_committed"]:
        for r in await read(ORDERS, 4, 11, isolation_level=isolation):
            fact(isolation, f"{r.partition}@{r.offset}", r.key, r.value, r.headers, r.timestamp, r.timestamp_type)
    records = await read(CODECS, 1, 400)
    fact("codecs", len(records), len({record.value for record in records}),
         [record.offset for record in records] == list(range(400)))
    fact("from an offset", (await read(CODECS, 1, 1, offset=77))[0].offset)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        partition = TopicPartition(ORDERS, 0)
        for time in [0, EPOCH + 8500, EPOCH + 3_600_000]:
            fact("offset at", time, (await consumer.offsets_for_times({partition: time}))[partition])
        fact("offsets", (await consumer.beginning_offsets([partition]))[partition],
             (await consumer.end_offsets([partition]))[partition])
    await refused("out of range", read(CODECS, 1, 1, offset=1000))
    fact("out of range, from the start", (await read(CODECS, 1, 1, offset=1000, auto_offset_reset="earliest"))[0].offset)


def member(**config):
    return AIOKafkaConsumer(SHARED, bootstrap_servers=bootstrap, **{
        "group_id": GROUP, "client_id": "member", "auto_offset_reset": "earliest", "enable_auto_commit": False,
        "session_timeout_ms": 6000, "heartbeat_interval_ms": 500, "max_poll_interval_ms": 10_000,
        "fetch_max_wait_ms": 100, **config})


async def poll(consumer, seen):
    for batch in (await consumer.getmany(timeout_ms=100)).values():
        seen.update((record.partition, record.offset, record.value) for record in batch)


async def see(consumer, count):
    seen = set()

    async def all_seen():
        await poll(consumer, seen)
        return len(seen) == count

    await wait_until("records", all_seen)
    return sorted(seen)


async def fill(word, count):
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for n in range(count):
            await send(producer, SHARED, value=f"{word} {n}".encode(), partition=n % 6)


async def groups():
    await fill("first", 12)
    async with Admin() as admin:
        await one_is_killed(admin)
        await commit_and_resume()
        await administer(admin)


async def one_is_killed(admin):
    seen, killed = set(), Member()
    async with member() as a, member() as b:
        async def share(size, count):
            await asyncio.gather(poll(a, seen), poll(b, seen))
            return len(a.assignment()) == len(b.assignment()) == size and len(seen) >= count

        await wait_until("three members", lambda: share(2, 0))
        await describe_group(admin, "three members")
        killed.kill()
        await wait_until("the others take over", lambda: share(3, 12))
        await describe_group(admin, "one was killed")
    fact("seen", sorted(seen))
    await describe_group(admin, "all left")


async def describe_group(admin, fact_name, name=GROUP):
    for answer in await admin.describe_consumer_groups([name]):
        for error, group, state, protocol_type, protocol, members, *_ in answer.groups:
            fact(fact_name, error, group, state, protocol_type, protocol, sorted(entry[1:3] for entry in members))


async def commit_and_resume():
    partitions = [TopicPartition(SHARED, partition) for partition in range(6)]
    async with member() as consumer:
        await see(consumer, 12)
        fact("nothing committed", [await consumer.committed(partition) for partition in partitions])
        await consumer.commit()
        fact("committed", [await consumer.committed(partition) for partition in partitions])
        await refused("commit too much metadata", consumer.commit({partitions[0]: (2, "x" * 5000)}))
    await fill("second", 6)
    async with member() as consumer:
        fact("resumed", await see(consumer, 6))


async def administer(admin):
    fact("groups", [group for group in await admin.list_consumer_groups() if GROUP in group])
    await describe_group(admin, "unknown group", f"{prefix}-none")
    offsets = await admin.list_consumer_group_offsets(GROUP)
    fact("offsets", sorted((partition.partition, *offset) for partition, offset in offsets.items()))


async def farewell():
    async with Admin() as admin:
        for topic in await own_topics(admin):
            await admin.delete_topics([topic])
        await refused("delete an unknown topic", admin.delete_topics([f"{prefix}-unknown"]))

        async def gone():
            return not await own_topics(admin)

        await wait_until("no topics", gone)


async def be_a_member():
    async with member() as consumer:
        while True:
            await consumer.getmany(timeout_ms=1000)


if sys.argv[3:4] == ["member"]:
    asyncio.run(be_a_member())
else:
    chapters = {"topics": topics, "configs": configs, "produce": produce, "consume": consume, "groups": groups,
                "farewell": farewell}
    tell({name: lambda chapter=chapter: asyncio.run(chapter()) for name, chapter in chapters.items()})
