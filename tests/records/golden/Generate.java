// Writes batches.txt: batches as Apache Kafka's own classes make them, which the tests of this
// folder compare with. Run again only to add a batch:
//
//   java -cp 'kafka-clients-4.4.0.jar:lz4-java.jar:snappy-java.jar:zstd-jni.jar:slf4j-api.jar' \
//     Generate.java > batches.txt

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.KRaftVersionRecord;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.message.SnapshotFooterRecord;
import org.apache.kafka.common.message.SnapshotHeaderRecord;
import org.apache.kafka.common.message.VotersRecord;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;

public class Generate {
    static final long TIME = 1_600_000_000_000L;

    public static void main(String[] args) {
        for (CompressionType type : CompressionType.values()) {
            Compression compression = Compression.of(type).build();
            put(type.name, MemoryRecords.withRecords(compression, records(40)));
            if (type == CompressionType.NONE) continue;
            put(type.name + "-large", MemoryRecords.withRecords(compression, large(3)));
        }
        put("idempotent", MemoryRecords.withIdempotentRecords(Compression.NONE, 4711L, (short) 3, 2147483640, records(20)));
        put("transactional", MemoryRecords.withTransactionalRecords(
            1000L, Compression.lz4().build(), 4711L, (short) 3, 7, 12, records(5)));
        put("commit", MemoryRecords.withEndTransactionMarker(77L, TIME, 5, 4711L, (short) 3,
            new EndTransactionMarker(ControlRecordType.COMMIT, 9)));
        put("abort", MemoryRecords.withEndTransactionMarker(78L, TIME, 5, 4711L, (short) 3,
            new EndTransactionMarker(ControlRecordType.ABORT, 9)));
        put("leader-change", MemoryRecords.withLeaderChangeMessage(11L, TIME, 6, ByteBuffer.allocate(512),
            new LeaderChangeMessage().setVersion((short) 0).setLeaderId(1)
                .setVoters(List.of(new LeaderChangeMessage.Voter().setVoterId(1)))));
        put("snapshot-header", MemoryRecords.withSnapshotHeaderRecord(0L, TIME, 6, ByteBuffer.allocate(512),
            new SnapshotHeaderRecord().setVersion((short) 0).setLastContainedLogTimestamp(TIME)));
        put("snapshot-footer", MemoryRecords.withSnapshotFooterRecord(9L, TIME, 6, ByteBuffer.allocate(512),
            new SnapshotFooterRecord().setVersion((short) 0)));
        put("kraft-version", MemoryRecords.withKRaftVersionRecord(1L, TIME, 6, ByteBuffer.allocate(512),
            new KRaftVersionRecord().setVersion((short) 0).setKRaftVersion((short) 1)));
        put("kraft-voters", MemoryRecords.withVotersRecord(2L, TIME, 6, ByteBuffer.allocate(512),
            new VotersRecord().setVersion((short) 0)));
        put("log-append-time", logAppendTime());
        put("delete-horizon", deleteHorizon());
        put("empty", empty());
        put("magic-0", MemoryRecords.withRecords((byte) 0, Compression.NONE, plain(1)));
        put("magic-1", MemoryRecords.withRecords((byte) 1, Compression.NONE, plain(1)));
        put("magic-1-gzip", MemoryRecords.withRecords((byte) 1, 20L, Compression.gzip().build(), plain(3)));
    }

    static SimpleRecord[] records(int count) {
        SimpleRecord[] records = new SimpleRecord[count];
        for (int i = 0; i < count; i++) {
            List<Header> headers = new ArrayList<>();
            for (int j = 0; j < i % 4; j++)
                headers.add(new RecordHeader("h" + j / 2, j == 1 ? null : bytes("v" + i + "-" + j)));
            records[i] = new SimpleRecord(TIME + i * 37 % 1000,
                i % 3 == 1 ? null : bytes("key-" + i),
                i % 5 == 2 ? null : bytes(("value " + i + " ").repeat(8)),
                headers.toArray(new Header[0]));
        }
        return records;
    }

    // More than one block of any codec.
    static SimpleRecord[] large(int count) {
        SimpleRecord[] records = new SimpleRecord[count];
        for (int i = 0; i < count; i++)
            records[i] = new SimpleRecord(TIME, bytes("key-" + i), bytes(("value " + i + " ").repeat(9000)));
        return records;
    }

    static SimpleRecord[] plain(int count) {
        SimpleRecord[] records = new SimpleRecord[count];
        for (int i = 0; i < count; i++)
            records[i] = new SimpleRecord(TIME + i, bytes("key-" + i), bytes("value " + i));
        return records;
    }

    static MemoryRecords logAppendTime() {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(4096), (byte) 2,
            Compression.NONE, TimestampType.LOG_APPEND_TIME, 5L, TIME + 5000);
        for (SimpleRecord record : records(4)) builder.append(record);
        return builder.build();
    }

    static MemoryRecords deleteHorizon() {
        MemoryRecordsBuilder builder = new MemoryRecordsBuilder(
            new org.apache.kafka.common.utils.internals.ByteBufferOutputStream(4096), (byte) 2, Compression.NONE,
            TimestampType.CREATE_TIME, 100L, -1L, 4711L, (short) 3, 8, false, false, 4, 4096, TIME + 86_400_000);
        SimpleRecord[] records = records(6);
        for (int i = 0; i < 6; i += 2) builder.appendWithOffset(100 + i, records[i]);
        return builder.build();
    }

    static MemoryRecords empty() {
        ByteBuffer buffer = ByteBuffer.allocate(DefaultRecordBatch.RECORD_BATCH_OVERHEAD);
        DefaultRecordBatch.writeEmptyHeader(buffer, (byte) 2, 4711L, (short) 3, 15, 200L, 209L, 4,
            TimestampType.CREATE_TIME, TIME, false, false);
        buffer.flip();
        return MemoryRecords.readableRecords(buffer);
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static void put(String name, MemoryRecords records) {
        System.out.println("# " + name);
        ByteBuffer buffer = records.buffer().duplicate();
        StringBuilder line = new StringBuilder();
        while (buffer.hasRemaining()) {
            line.append(String.format("%02x", buffer.get()));
            if (line.length() == 96 || !buffer.hasRemaining()) {
                System.out.println(line);
                line.setLength(0);
            }
        }
    }
}
