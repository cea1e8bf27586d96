import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.BooleanSupplier;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.*;

/** The story through the Java client: {@code Story BOOTSTRAP PREFIX [CHAPTER...]}, or {@code member STRATEGY}. */
public class Story {
    static final long EPOCH = 1_700_000_000_000L;
    static final int REPLICAS = Integer.parseInt(System.getenv("REPLICAS"));
    static String bootstrap, prefix, orders, codecs, shared, group;
    static Admin admin;

    interface Action { Object run() throws Exception; }

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        prefix = args[1];
        orders = prefix + "-orders";
        codecs = prefix + "-codecs";
        shared = prefix + "-shared";
        group = prefix + "-group";
        if (args.length > 2 && args[2].equals("member")) {
            beAMember(args[3]);
        }
        Map<String, Action> chapters = new LinkedHashMap<>();
        chapters.put("topics", () -> topics());
        chapters.put("configs", () -> configs());
        chapters.put("produce", () -> produce());
        chapters.put("consume", () -> consume());
        chapters.put("groups", () -> groups());
        chapters.put("farewell", () -> farewell());
        List<String> chosen = List.of(args).subList(2, args.length);
        try (Admin opened = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            admin = opened;
            for (String name : chosen.isEmpty() ? chapters.keySet() : chosen) {
                fact("chapter", name);
                chapters.get(name).run();
            }
        }
        fact("end", "of the story");
    }

    static Object topics() throws Exception {
        create(orders, 3, REPLICAS, Map.of("retention.ms", "-1", "max.message.bytes", "20000"));
        create(codecs, 1, REPLICAS, Map.of());
        create(shared, 6, REPLICAS, Map.of());
        waitUntil("topics", () -> unchecked(() -> ownTopics().size()) == 3);
        refused("create again", () -> create(orders, 3, REPLICAS, Map.of()));
        refused("create with an unknown config", () -> create(prefix + "-bad", 1, REPLICAS, Map.of("retention", "1")));
        refused("create with a wrong config", () -> create(prefix + "-bad", 1, REPLICAS, Map.of("retention.ms", "soon")));
        refused("create with too many replicas", () -> create(prefix + "-bad", 1, 4, Map.of()));
        refused("create with no partitions", () -> create(prefix + "-bad", 0, REPLICAS, Map.of()));
        refused("create with a wrong name", () -> create(prefix + " bad", 1, REPLICAS, Map.of()));
        var validated = admin.createTopics(List.of(new NewTopic(prefix + "-dry", 2, (short) REPLICAS)),
            new CreateTopicsOptions().validateOnly(true));
        fact("validated only", validated.numPartitions(prefix + "-dry").get(), validated.replicationFactor(prefix + "-dry").get());
        fact("topics", ownTopics());
        var described = admin.describeTopics(List.of(orders), new DescribeTopicsOptions().includeAuthorizedOperations(true))
            .allTopicNames().get().get(orders);
        fact("describe", described.name(), described.isInternal(), described.authorizedOperations().stream().sorted().toList());
        for (TopicPartitionInfo partition : described.partitions()) {
            fact("partition", partition);
        }
        refused("describe an unknown topic", () -> admin.describeTopics(List.of(prefix + "-unknown")).allTopicNames().get());
        refused("describe an unknown topic id", () ->
            admin.describeTopics(TopicCollection.ofTopicIds(List.of(new Uuid(1, 2)))).allTopicIds().get());
        var cluster = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
        fact("cluster", cluster.controller().get(), cluster.nodes().get(), cluster.authorizedOperations().get().stream().sorted().toList());
        // A broker makes its logs a moment after the controller has decided.
        waitUntil("the logs", () -> unchecked(() -> logDirs()).stream().mapToInt(logDir -> ownLogs(logDir).size()).sum() == 10);
        for (LogDirDescription logDir : logDirs()) {
            fact("log directory", logDir.error(), ownLogs(logDir));
        }
        return null;
    }

    static Collection<LogDirDescription> logDirs() throws Exception {
        int node = aNode();
        return admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node).values();
    }

    static int aNode() throws Exception {
        return admin.describeCluster().nodes().get().iterator().next().id();
    }

    static List<String> ownLogs(LogDirDescription logDir) {
        return logDir.replicaInfos().entrySet().stream().filter(replica -> replica.getKey().topic().startsWith(prefix))
            .map(Object::toString).sorted().toList();
    }

    static Object create(String name, int partitions, int replicas, Map<String, String> configs) throws Exception {
        return admin.createTopics(List.of(new NewTopic(name, partitions, (short) replicas).configs(configs))).all().get();
    }

    static List<String> ownTopics() throws Exception {
        return admin.listTopics().names().get().stream().filter(name -> name.startsWith(prefix)).sorted().toList();
    }

    static Object configs() throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, orders);
        var options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        var entries = admin.describeConfigs(List.of(resource), options).all().get().get(resource).entries();
        entries.stream().sorted(Comparator.comparing(ConfigEntry::name)).forEach(entry -> fact("config", entry.name(),
            entry.value(), entry.source(), entry.type(), entry.isSensitive(), entry.isReadOnly(), entry.synonyms(),
            entry.documentation() == null || entry.documentation().isEmpty() ? "undocumented" : "documented"));
        alter(resource, "segment.ms", "3600000", AlterConfigOp.OpType.SET);
        alter(resource, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
        waitUntil("the change", () -> unchecked(() -> configsOf(resource, "cleanup.policy")).toString().contains("compact"));
        fact("altered", configsOf(resource, "segment.ms", "cleanup.policy", "max.message.bytes"));
        alter(resource, "segment.ms", null, AlterConfigOp.OpType.DELETE);
        alter(resource, "cleanup.policy", "compact", AlterConfigOp.OpType.SUBTRACT);
        waitUntil("the change back", () -> !unchecked(() -> configsOf(resource, "cleanup.policy")).toString().contains("compact"));
        fact("altered back", configsOf(resource, "segment.ms", "cleanup.policy"));
        refused("alter with a wrong value", () -> alter(resource, "retention.ms", "soon", AlterConfigOp.OpType.SET));
        refused("alter an unknown config", () -> alter(resource, "retention", "1", AlterConfigOp.OpType.SET));
        refused("append to what is no list", () -> alter(resource, "retention.ms", "1", AlterConfigOp.OpType.APPEND));
        var unknown = new ConfigResource(ConfigResource.Type.TOPIC, prefix + "-unknown");
        refused("configs of an unknown topic", () -> admin.describeConfigs(List.of(unknown)).all().get());
        refused("alter an unknown topic", () -> alter(unknown, "retention.ms", "1", AlterConfigOp.OpType.SET));
        var broker = new ConfigResource(ConfigResource.Type.BROKER, String.valueOf(aNode()));
        fact("broker", configsOf(broker, "auto.create.topics.enable", "log.retention.hours", "message.max.bytes", "num.partitions"));
        admin.createPartitions(Map.of(orders, NewPartitions.increaseTo(4))).all().get();
        waitUntil("more partitions", () -> unchecked(() ->
            admin.describeTopics(List.of(orders)).allTopicNames().get().get(orders).partitions().size()) == 4);
        refused("fewer partitions", () -> admin.createPartitions(Map.of(orders, NewPartitions.increaseTo(2))).all().get());
        return null;
    }

    static Object alter(ConfigResource resource, String name, String value, AlterConfigOp.OpType kind) throws Exception {
        Collection<AlterConfigOp> change = List.of(new AlterConfigOp(new ConfigEntry(name, value), kind));
        return admin.incrementalAlterConfigs(Map.of(resource, change)).all().get();
    }

    static List<String> configsOf(ConfigResource resource, String... names) throws Exception {
        var config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        return Stream.of(names).map(name -> name + "=" + config.get(name).value() + " " + config.get(name).source()).toList();
    }

    static Producer<String, String> producer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "max.block.ms", 3000));
        config.putAll(more);
        return new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
    }

    static Object send(Producer<String, String> producer, ProducerRecord<String, String> record) throws Exception {
        var sent = producer.send(record).get();
        return sent.topic() + "-" + sent.partition() + "@" + sent.offset() + " " + sent.timestamp();
    }

    static Object produce() throws Exception {
        try (var producer = producer(Map.of())) {
            List<Header> headers = List.of(new RecordHeader("h", "one".getBytes()), new RecordHeader("h", "two".getBytes()),
                new RecordHeader("null", null));
            for (int n = 0; n < 8; n++) {
                fact("keyed", n, send(producer, new ProducerRecord<>(orders, null, EPOCH + n * 1000, "key-" + n % 5,
                    "value " + n, n % 4 == 0 ? headers : null)));
            }
            fact("no key", send(producer, new ProducerRecord<>(orders, 0, EPOCH + 8000, null, "alone")));
            fact("tombstone", send(producer, new ProducerRecord<>(orders, 0, EPOCH + 9000L, "key-1", (String) null)));
            fact("empty", send(producer, new ProducerRecord<>(orders, 0, EPOCH + 10_000, "", "")));
            refused("too large", () -> send(producer, new ProducerRecord<>(orders, 0, null, "x".repeat(50_000))));
            refused("unknown topic", () -> send(producer, new ProducerRecord<>(prefix + "-unknown", "lost")));
        }
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            for (String acks : List.of("0", "1", "all", "idempotent")) {
                produceWith(codec, acks);
            }
        }
        return null;
    }

    static void produceWith(String codec, String acks) throws Exception {
        boolean idempotent = acks.equals("idempotent");
        long start = offset(codecs, OffsetSpec.latest()).offset();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = producer(Map.of("compression.type", codec, "acks", idempotent ? "all" : acks,
                "enable.idempotence", idempotent, "linger.ms", 20))) {
            for (int n = 0; n < 20; n++) {
                sent.add(producer.send(new ProducerRecord<>(codecs, 0, null, (codec + " " + acks + " " + n + " ").repeat(20))));
            }
        }
        waitUntil("delivery", () -> unchecked(() -> offset(codecs, OffsetSpec.latest()).offset()) == start + 20);
        fact("codec", codec, "acks", acks, sent.get(0).get().offset(), sent.get(19).get().offset(), "up to", start + 20);
    }

    static ListOffsetsResult.ListOffsetsResultInfo offset(String topic, OffsetSpec spec) throws Exception {
        var partition = new TopicPartition(topic, 0);
        return admin.listOffsets(Map.of(partition, spec)).partitionResult(partition).get();
    }

    static KafkaConsumer<String, String> consumer(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "auto.offset.reset", "none"));
        config.putAll(more);
        return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }

    /** Reads records in order within each partition; from the start when {@code from} is negative. */
    static List<ConsumerRecord<String, String>> read(String topic, int partitions, long from, int count, Map<String, Object> config) {
        try (var consumer = consumer(config)) {
            var assigned = IntStream.range(0, partitions).mapToObj(n -> new TopicPartition(topic, n)).toList();
            consumer.assign(assigned);
            if (from < 0) {
                consumer.seekToBeginning(assigned);
            } else {
                assigned.forEach(partition -> consumer.seek(partition, from));
            }
            List<ConsumerRecord<String, String>> records = new ArrayList<>();
            waitUntil("records", () -> {
                consumer.poll(Duration.ofMillis(500)).forEach(records::add);
                return records.size() >= count;
            });
            records.sort(Comparator.comparing(ConsumerRecord::partition));
            return records;
        }
    }

    static Object consume() throws Exception {
        for (String isolation : List.of("read_uncommitted", "read_committed")) {
            for (var r : read(orders, 4, -1, 11, Map.of("isolation.level", isolation))) {
                List<String> headers = Stream.of(r.headers().toArray())
                    .map(h -> h.key() + "=" + (h.value() == null ? null : new String(h.value()))).toList();
                fact(isolation, r.partition() + "@" + r.offset(), r.key(), r.value(), headers, r.timestampType(), r.timestamp(), r.leaderEpoch());
            }
        }
        var values = read(codecs, 1, -1, 400, Map.of());
        fact("codecs", values.size(), values.get(0).value().length(), values.stream().map(ConsumerRecord::value).distinct().count());
        fact("in order", IntStream.range(0, 400).allMatch(n -> values.get(n).offset() == n));
        fact("from an offset", read(codecs, 1, 77, 1, Map.of()).get(0).offset());
        fact("small fetches", read(codecs, 1, 0, 400, Map.of("max.partition.fetch.bytes", 100, "fetch.max.bytes", 100)).size());
        for (var spec : List.of(OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp(),
                OffsetSpec.forTimestamp(EPOCH + 8500), OffsetSpec.forTimestamp(EPOCH + 3_600_000))) {
            fact("offset at", spec.getClass().getSimpleName(), offset(orders, spec));
        }
        try (var consumer = consumer(Map.of())) {
            var partition = new TopicPartition(orders, 0);
            fact("offsets for times", consumer.offsetsForTimes(Map.of(partition, EPOCH + 8500)));
            fact("partitions", consumer.partitionsFor(orders).stream().map(Object::toString).sorted().toList());
        }
        refused("out of range", () -> read(codecs, 1, 1000, 1, Map.of()));
        fact("out of range, from the start", read(codecs, 1, 1000, 1, Map.of("auto.offset.reset", "earliest")).get(0).offset());
        return null;
    }

    static KafkaConsumer<String, String> member(Map<String, Object> more) {
        Map<String, Object> config = new HashMap<>(Map.of("group.id", group, "auto.offset.reset", "earliest", "client.id", "member",
            "enable.auto.commit", false, "session.timeout.ms", 6000, "heartbeat.interval.ms", 500));
        config.putAll(more);
        var consumer = consumer(config);
        consumer.subscribe(List.of(shared));
        return consumer;
    }

    static void poll(KafkaConsumer<String, String> consumer, Set<String> seen) {
        consumer.poll(Duration.ofMillis(100)).forEach(record ->
            seen.add(record.partition() + "@" + record.offset() + " " + record.value()));
    }

    static Object groups() throws Exception {
        try (var producer = producer(Map.of())) {
            for (int n = 0; n < 12; n++) {
                send(producer, new ProducerRecord<>(shared, n % 6, null, "first " + n));
            }
            for (String strategy : List.of("Range", "CooperativeSticky")) {
                oneIsKilled("org.apache.kafka.clients.consumer." + strategy + "Assignor");
            }
            commitAndResume(producer);
        }
        staticMember();
        administer();
        return null;
    }

    static List<Integer> shares(List<KafkaConsumer<String, String>> members, Set<String> seen) {
        members.forEach(member -> poll(member, seen));
        return members.stream().map(member -> member.assignment().size()).sorted().toList();
    }

    static void oneIsKilled(String strategy) throws Exception {
        Map<String, Object> config = Map.of("partition.assignment.strategy", strategy);
        var members = List.of(member(config), member(config));
        Set<String> seen = new TreeSet<>();
        var java = ProcessHandle.current().info().command().orElseThrow();
        var killed = new ProcessBuilder(java, "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"), "Story",
            bootstrap, prefix, "member", strategy).redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
        waitUntil("three members", () -> shares(members, seen).equals(List.of(2, 2)) && assigned().equals(List.of(2, 2, 2)));
        fact("three members", describeGroup(group));
        refused("delete a group with members", () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        killed.destroyForcibly().waitFor();
        waitUntil("the others take over", () -> shares(members, seen).equals(List.of(3, 3)) && seen.size() == 12);
        fact("one was killed", describeGroup(group), seen);
        members.forEach(KafkaConsumer::close);
        fact("all left", describeGroup(group));
    }

    /** How many partitions each member has in the group's eyes, none unless all agree on the shares. */
    static List<Integer> assigned() {
        var described = unchecked(() -> admin.describeConsumerGroups(List.of(group)).all().get().get(group));
        boolean isStable = described.toString().contains("Stable") || described.toString().contains("STABLE");
        return isStable ? described.members().stream().map(m -> m.assignment().topicPartitions().size()).sorted().toList() : List.of();
    }

    @SuppressWarnings("deprecation")
    static List<Object> describeGroup(String name) throws Exception {
        var described = admin.describeConsumerGroups(List.of(name)).all().get().get(name);
        var members = described.members().stream().map(member -> member.clientId() + " " + member.host() + " "
            + member.groupInstanceId() + " " + member.assignment().topicPartitions().size()).sorted().toList();
        return List.of(described.groupId(), described.state(), described.partitionAssignor(), described.isSimpleConsumerGroup(),
            described.coordinator(), members);
    }

    static void commitAndResume(Producer<String, String> producer) throws Exception {
        var partitions = IntStream.range(0, 6).mapToObj(n -> new TopicPartition(shared, n)).collect(Collectors.toSet());
        try (var consumer = member(Map.of())) {
            Set<String> seen = new TreeSet<>();
            waitUntil("all records", () -> { poll(consumer, seen); return seen.size() == 12; });
            fact("nothing committed", committed(consumer, partitions));
            consumer.commitSync();
            fact("committed", committed(consumer, partitions));
            consumer.commitSync(Map.of(new TopicPartition(shared, 5), new OffsetAndMetadata(2, Optional.of(0), "noted")));
            refused("commit for an unknown partition", () -> {
                consumer.commitSync(Map.of(new TopicPartition(prefix + "-unknown", 0), new OffsetAndMetadata(1)), Duration.ofSeconds(2));
                return null;
            });
            refused("commit too much metadata", () -> {
                consumer.commitSync(Map.of(new TopicPartition(shared, 0), new OffsetAndMetadata(1, "x".repeat(5000))));
                return null;
            });
        }
        for (int n = 0; n < 6; n++) {
            send(producer, new ProducerRecord<>(shared, n, null, "second " + n));
        }
        try (var consumer = member(Map.of())) {
            Set<String> seen = new TreeSet<>();
            waitUntil("the new records", () -> { poll(consumer, seen); return seen.size() == 6; });
            fact("resumed", seen);
        }
    }

    static List<String> committed(KafkaConsumer<String, String> consumer, Set<TopicPartition> partitions) {
        return consumer.committed(partitions).entrySet().stream().map(Object::toString).sorted().toList();
    }

    /** It stays in its group when it closes, and comes back as the same member. */
    static void staticMember() throws Exception {
        String name = prefix + "-static";
        for (int time = 0; time < 2; time++) {
            try (var consumer = member(Map.of("group.id", name, "group.instance.id", "one", "session.timeout.ms", 45_000))) {
                Set<String> seen = new TreeSet<>();
                waitUntil("all records", () -> { poll(consumer, seen); return seen.size() == 18; });
            }
            fact("static", describeGroup(name));
        }
        var one = new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("one")));
        admin.removeMembersFromConsumerGroup(name, one).all().get();
        fact("removed", describeGroup(name));
        refused("remove again", () -> admin.removeMembersFromConsumerGroup(name, one).all().get());
        admin.deleteConsumerGroups(List.of(name)).all().get();
    }

    @SuppressWarnings("deprecation")
    static void administer() throws Exception {
        fact("groups", admin.listConsumerGroups().all().get().stream().filter(listed -> listed.groupId().startsWith(prefix))
            .map(listed -> listed.groupId() + " " + listed.state() + " " + listed.isSimpleConsumerGroup()).sorted().toList());
        refused("describe an unknown group", () -> describeGroup(prefix + "-none"));
        fact("offsets", offsets());
        var first = new TopicPartition(shared, 0);
        admin.alterConsumerGroupOffsets(group, Map.of(first, new OffsetAndMetadata(1))).all().get();
        fact("moved", offsets());
        admin.deleteConsumerGroupOffsets(group, Set.of(first)).all().get();
        fact("without the first", offsets());
        refused("offsets of an unknown partition", () ->
            admin.alterConsumerGroupOffsets(group, Map.of(new TopicPartition(shared, 17), new OffsetAndMetadata(1))).all().get());
        admin.alterConsumerGroupOffsets(prefix + "-simple", Map.of(first, new OffsetAndMetadata(1))).all().get();
        fact("simple", describeGroup(prefix + "-simple"));
        for (String name : List.of(group, prefix + "-simple", prefix + "-none")) {
            refused("delete a group", () -> admin.deleteConsumerGroups(List.of(name)).all().get());
        }
    }

    static List<String> offsets() throws Exception {
        return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().entrySet().stream()
            .map(Object::toString).sorted().toList();
    }

    static Object farewell() throws Exception {
        admin.deleteRecords(Map.of(new TopicPartition(orders, 0), RecordsToDelete.beforeOffset(3))).all().get();
        fact("after deleting records", offset(orders, OffsetSpec.earliest()));
        admin.deleteTopics(List.of(orders, codecs, shared)).all().get();
        refused("delete an unknown topic", () -> admin.deleteTopics(List.of(prefix + "-unknown")).all().get());
        waitUntil("no topics", () -> unchecked(() -> ownTopics().isEmpty()));
        return null;
    }

    /** Polls until the process is killed. */
    static void beAMember(String strategy) {
        try (var consumer = member(Map.of("partition.assignment.strategy", strategy))) {
            while (true) {
                consumer.poll(Duration.ofSeconds(1));
            }
        }
    }

    static void fact(String name, Object... values) {
        System.out.println(name + ": " + Stream.of(values).map(String::valueOf).collect(Collectors.joining(" ")));
    }

    /** Prints how {@code action} fails; that it does not fail is a fact too. */
    static void refused(String name, Action action) {
        try {
            fact(name, "accepted", action.run());
        } catch (Exception error) {
            Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
            fact(name, cause.getClass().getSimpleName(), cause.getMessage());
        }
    }

    static <T> T unchecked(Callable<T> action) {
        try {
            return action.call();
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    /** Checks {@code condition}, which does some of the work itself, until it holds. */
    static void waitUntil(String name, BooleanSupplier condition) {
        long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                fact(name, "did not happen");
                System.exit(1);
            }
        }
    }
}
