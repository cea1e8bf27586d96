import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** The main job through the Java client, unmodified; fails at the first thing that is not as expected. */
public class Roundtrip {
    static final String TOPIC = "java";
    static final TopicPartition PARTITION = new TopicPartition(TOPIC, 0);
    static final List<String> CODECS = List.of("none", "gzip", "snappy", "lz4", "zstd");
    static final List<String> ACKS = List.of("0", "1", "all");
    static final int PRODUCED = 5 * 3 * 10;

    static String bootstrap;

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(TOPIC, 3, (short) 1).configs(Map.of("segment.ms", "3600000"))))
                .all().get();
            long started = System.currentTimeMillis();
            produceEveryWay();
            consumeFromEverywhere(admin, started);
            configureGrowDelete(admin);
        }
        System.out.println("ok");
    }

    static void produceEveryWay() throws Exception {
        for (String codec : CODECS) {
            for (String acks : ACKS) {
                Map<String, Object> config = new HashMap<>();
                config.put("bootstrap.servers", bootstrap);
                config.put("compression.type", codec);
                config.put("acks", acks);
                config.put("enable.idempotence", acks.equals("all"));
                try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
                    for (int i = 0; i < 10; i++) {
                        var headers = List.of(header("h", "one"), header("h", "two"), header("null", null));
                        String key = i % 2 == 0 ? "key" : null;
                        producer.send(new ProducerRecord<>(TOPIC, 0, key, codec + "-" + acks + "-" + i,
                            new ArrayList<>(headers))).get();
                    }
                }
            }
        }
    }

    static org.apache.kafka.common.header.Header header(String name, String value) {
        return new RecordHeader(name, value == null ? null : value.getBytes());
    }

    static void consumeFromEverywhere(Admin admin, long started) throws Exception {
        long end = admin.listOffsets(Map.of(PARTITION, OffsetSpec.latest())).partitionResult(PARTITION).get().offset();
        expect(end == PRODUCED, "the end offset is " + end);
        long newest = admin.listOffsets(Map.of(PARTITION, OffsetSpec.maxTimestamp())).partitionResult(PARTITION).get().offset();
        expect(newest >= 0 && newest < PRODUCED, "the offset of the newest timestamp is " + newest);

        List<ConsumerRecord<String, String>> records = consume(0, PRODUCED, "read_uncommitted");
        for (int n = 0; n < PRODUCED; n++) {
            ConsumerRecord<String, String> record = records.get(n);
            expect(record.offset() == n, "record " + n + " has offset " + record.offset());
            expect(record.key() == null == (n % 2 == 1), "the key of record " + n + " is " + record.key());
            var headers = record.headers().toArray();
            expect(headers.length == 3 && Arrays.equals(headers[1].value(), "two".getBytes())
                && headers[0].key().equals("h") && headers[2].value() == null, "headers " + record.headers());
        }
        expect(consume(0, PRODUCED, "read_committed").size() == PRODUCED, "read_committed sees another log");
        expect(consume(77, 1, "read_uncommitted").get(0).offset() == 77, "asked for offset 77");
        try (var consumer = consumer("read_uncommitted")) {
            var found = consumer.offsetsForTimes(Map.of(PARTITION, started)).get(PARTITION);
            expect(found != null && found.offset() == 0, "the offset at the start time is " + found);
            var future = consumer.offsetsForTimes(Map.of(PARTITION, started + 86_400_000L)).get(PARTITION);
            expect(future == null, "the offset of tomorrow is " + future);
        }
    }

    static List<ConsumerRecord<String, String>> consume(long from, int count, String isolation) {
        try (var consumer = consumer(isolation)) {
            consumer.assign(List.of(PARTITION));
            consumer.seek(PARTITION, from);
            List<ConsumerRecord<String, String>> records = new ArrayList<>();
            long deadline = System.nanoTime() + Duration.ofSeconds(20).toNanos();
            while (records.size() < count) {
                expect(System.nanoTime() < deadline, "only " + records.size() + " of " + count + " records came");
                consumer.poll(Duration.ofSeconds(1)).forEach(records::add);
            }
            return records;
        }
    }

    static KafkaConsumer<String, String> consumer(String isolation) {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "isolation.level", isolation,
            "auto.offset.reset", "none");
        return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }

    static void configureGrowDelete(Admin admin) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
        Collection<AlterConfigOp> set =
            List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "86400000"), AlterConfigOp.OpType.SET));
        admin.incrementalAlterConfigs(Map.of(resource, set)).all().get();
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        expect(Objects.equals(config.get("retention.ms").value(), "86400000"), "retention.ms is " + config.get("retention.ms"));
        expect(Objects.equals(config.get("segment.ms").value(), "3600000"), "segment.ms is " + config.get("segment.ms"));
        expect(config.get("segment.bytes").isDefault(), "segment.bytes is not reported as a default");

        admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(5))).all().get();
        try {
            admin.createPartitions(Map.of(TOPIC, NewPartitions.increaseTo(2))).all().get();
            expect(false, "shrinking to 2 partitions was accepted");
        } catch (ExecutionException refused) {
            expect(refused.getCause() instanceof InvalidPartitionsException, "shrinking: " + refused.getCause());
        }
        var described = admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC);
        expect(described.partitions().size() == 5, described.partitions().size() + " partitions");
        expect(admin.listTopics().names().get().contains(TOPIC), "the topic is not listed");
        expect(!admin.describeCluster().nodes().get().isEmpty(), "no nodes");
        expect(!admin.describeLogDirs(List.of(described.partitions().get(0).leader().id())).allDescriptions().get().isEmpty(), "no log dirs");
        admin.deleteTopics(List.of(TOPIC)).all().get();
        expect(!admin.listTopics().names().get().contains(TOPIC), "the topic is still listed");
    }

    static void expect(boolean holds, String otherwise) {
        if (!holds) {
            throw new AssertionError("not as expected: " + otherwise);
        }
    }
}
