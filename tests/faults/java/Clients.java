import java.time.Duration;
import java.util.*;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.serialization.*;

/**
 * A producer and the members of a group, {@code Clients BOOTSTRAP TOPIC PARTITIONS PRODUCER GROUP MEMBER...}, at work
 * until the standard input ends. Each prints a line for each thing that it does or sees.
 */
public class Clients {
    static final int BETWEEN_MESSAGES_MS = 2;
    static final Duration POLL = Duration.ofMillis(100);
    static final long COMMIT_EVERY_NS = Duration.ofMillis(200).toNanos();
    static final AtomicBoolean isOver = new AtomicBoolean();
    static String bootstrap, topic;

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        topic = args[1];
        int partitions = Integer.parseInt(args[2]);
        long producer = Long.parseLong(args[3]);
        List<Thread> threads = new ArrayList<>();
        threads.add(start(() -> produce(producer, partitions)));
        for (String member : List.of(args).subList(5, args.length)) {
            threads.add(start(() -> consume(args[4], member)));
        }
        while (System.in.read() >= 0) { }
        isOver.set(true);
        for (Thread thread : threads) {
            thread.join();
        }
        tell("end");
    }

    static Thread start(Runnable work) {
        Thread thread = new Thread(work);
        thread.setUncaughtExceptionHandler((ignored, error) -> tell("broken", error));
        thread.start();
        return thread;
    }

    static void tell(Object... words) {
        StringBuilder line = new StringBuilder();
        for (Object word : words) {
            line.append(word).append(' ');
        }
        System.out.println(line);
    }

    static void produce(long number, int partitions) {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "acks", "all", "enable.idempotence", true,
            "linger.ms", 2, "request.timeout.ms", 10_000, "delivery.timeout.ms", Integer.MAX_VALUE);
        try (var producer = new KafkaProducer<>(config, new VoidSerializer(), new StringSerializer())) {
            for (long next = 0; !isOver.get(); next++) {
                int partition = (int) (next % partitions);
                long value = number << 32 | next;
                tell("sent", partition, value);
                producer.send(new ProducerRecord<>(topic, partition, null, value + " java"), (metadata, error) -> {
                    if (error == null) {
                        tell("acked", value, partition, metadata.offset());
                    } else {
                        tell("failed", value, error);
                    }
                });
                pause();
            }
        }
    }

    static void pause() {
        try {
            Thread.sleep(BETWEEN_MESSAGES_MS); // it sets the rate
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    static void consume(String group, String member) {
        Map<String, Object> config = Map.of("bootstrap.servers", bootstrap, "group.id", group, "enable.auto.commit", false,
            "auto.offset.reset", "earliest", "session.timeout.ms", 10_000);
        try (var consumer = new KafkaConsumer<>(config, new VoidDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) { }

                @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    partitions.forEach(partition -> tell("assigned", member, partition.partition()));
                }
            });
            long committed = System.nanoTime();
            while (!isOver.get()) {
                for (var record : consumer.poll(POLL)) {
                    tell("consumed", member, record.partition(), record.offset(), record.value());
                }
                if (System.nanoTime() - committed >= COMMIT_EVERY_NS) {
                    commit(consumer);
                    committed = System.nanoTime();
                }
            }
        }
    }

    static void commit(Consumer<?, ?> consumer) {
        Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
        for (TopicPartition partition : consumer.assignment()) {
            positions.put(partition, new OffsetAndMetadata(consumer.position(partition)));
        }
        try {
            consumer.commitSync(positions);
            positions.forEach((partition, position) -> tell("committed", partition.partition(), position.offset()));
        } catch (CommitFailedException | RebalanceInProgressException | RetriableException error) {
            tell("uncommitted", error);
        }
    }
}
