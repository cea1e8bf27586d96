import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.zip.CRC32;

import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.utils.BufferSupplier;
import org.apache.kafka.common.utils.PrimitiveRef;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.LogValidator;

/**
 * What Apache Kafka makes of batches: reads questions until the input ends, and answers each.
 *
 * "P" now, codec of the topic (-1: the producer's), whether the topic has LogAppendTime, batch:
 *     the batch is produced. Answers with what is stored.
 * "R" batch: a consumer reads it. Answers with its records, as they are hashed here.
 * "C" codec, level, batch: its records are compressed by a producer. Answers with the new batch.
 *
 * Bytes have a length before them. An answer is bytes, or the length -1 and bytes that say why not.
 */
public final class Batches {
    private static final BufferSupplier BUFFERS = BufferSupplier.create();
    private static final TopicPartition PARTITION = new TopicPartition("t", 0);
    private static final long BASE_OFFSET = 100;
    private static final int EPOCH = 2;

    public static void main(String[] arguments) throws Exception {
        var in = new DataInputStream(new BufferedInputStream(System.in, 1 << 16));
        var out = new DataOutputStream(new BufferedOutputStream(System.out, 1 << 16));
        while (true) {
            int kind;
            try {
                kind = in.readByte();
            } catch (EOFException end) {
                break;
            }
            byte[] answer;
            try {
                answer = switch (kind) {
                    case 'P' -> produce(in.readLong(), in.readByte(), in.readBoolean(), bytes(in));
                    case 'R' -> read(bytes(in));
                    case 'C' -> compress(in.readByte(), in.readInt(), bytes(in));
                    default -> throw new IllegalStateException("no question: " + kind);
                };
                out.writeInt(answer.length);
            } catch (Throwable error) {
                answer = describe(error).getBytes(StandardCharsets.UTF_8);
                out.writeInt(-1);
                out.writeInt(answer.length);
            }
            out.write(answer);
            if (in.available() == 0) {
                out.flush();
            }
        }
        out.flush();
    }

    private static String describe(Throwable error) {
        String text = error.toString();
        Throwable cause = error.getCause();
        return (cause == null ? text : text + ", " + cause).replace('\n', ' ');
    }

    private static byte[] bytes(DataInputStream in) throws IOException {
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        return bytes;
    }

    private static byte[] produce(long now, byte codec, boolean appendTime, byte[] bytes) {
        var records = MemoryRecords.readableRecords(ByteBuffer.wrap(bytes));
        MutableRecordBatch batch = only(records);
        batch.ensureValid();
        CompressionType source = batch.compressionType();
        CompressionType target = codec < 0 ? source : CompressionType.forId(codec);
        var validator = new LogValidator(
            records, PARTITION, at(now), source, Compression.of(target).build(), false, (byte) 2,
            appendTime ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME,
            Long.MAX_VALUE, Long.MAX_VALUE, EPOCH, AppendOrigin.CLIENT);
        var result = validator.validateMessagesAndAssignOffsets(
            PrimitiveRef.ofLong(BASE_OFFSET), silent(), BUFFERS);
        return array(result.validatedRecords().buffer());
    }

    private static MutableRecordBatch only(MemoryRecords records) {
        Iterator<MutableRecordBatch> batches = records.batches().iterator();
        MutableRecordBatch batch = batches.next();
        if (batches.hasNext()) {
            throw new IllegalStateException("more than one batch");
        }
        return batch;
    }

    private static byte[] array(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }

    private static Time at(long now) {
        return (Time) Proxy.newProxyInstance(
            Batches.class.getClassLoader(), new Class<?>[] {Time.class},
            (proxy, method, arguments) -> method.getReturnType() == long.class ? now : null);
    }

    private static LogValidator.MetricsRecorder silent() {
        return new LogValidator.MetricsRecorder() {
            public void recordInvalidMagic() { }
            public void recordInvalidOffset() { }
            public void recordInvalidSequence() { }
            public void recordInvalidChecksums() { }
            public void recordNoKeyCompactedTopic() { }
        };
    }

    /** As a consumer reads, and as tools do: both must see the same. */
    private static byte[] read(byte[] bytes) throws Exception {
        RecordBatch batch = only(MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)));
        batch.ensureValid();
        long consumed;
        try (var records = batch.streamingIterator(BUFFERS)) {
            consumed = hash(records);
        }
        long iterated = hash(batch.iterator());
        if (consumed != iterated) {
            throw new IllegalStateException("two readers see different records");
        }
        return ByteBuffer.allocate(8).putLong(consumed).array();
    }

    /** The number of records, and a checksum of all that they hold. */
    private static long hash(Iterator<Record> records) {
        var crc = new CRC32();
        int count = 0;
        for (; records.hasNext(); count++) {
            Record record = records.next();
            record.ensureValid();
            update(crc, record.offset());
            update(crc, record.timestamp());
            update(crc, record.key());
            update(crc, record.value());
            update(crc, record.headers().length);
            for (Header header : record.headers()) {
                // What is no text has no bytes that both could agree on.
                String key = header.key();
                key = key.indexOf('\ufffd') < 0 ? key : "?";
                update(crc, ByteBuffer.wrap(key.getBytes(StandardCharsets.UTF_8)));
                byte[] value = header.value();
                update(crc, value == null ? null : ByteBuffer.wrap(value));
            }
        }
        return (long) count << 32 | crc.getValue();
    }

    private static void update(CRC32 crc, long value) {
        crc.update(ByteBuffer.allocate(8).putLong(value).flip());
    }

    private static void update(CRC32 crc, ByteBuffer bytes) {
        if (bytes == null) {
            update(crc, -1);
        } else {
            update(crc, bytes.remaining());
            crc.update(bytes.duplicate());
        }
    }

    private static byte[] compress(byte codec, int level, byte[] bytes) throws Exception {
        RecordBatch batch = only(MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)));
        Compression compression = switch (CompressionType.forId(codec)) {
            case GZIP -> Compression.gzip().level(level).build();
            case LZ4 -> Compression.lz4().level(level).build();
            case ZSTD -> Compression.zstd().level(level).build();
            default -> Compression.of(CompressionType.forId(codec)).build();
        };
        var builder = MemoryRecords.builder(
            ByteBuffer.allocate(1024), compression, TimestampType.CREATE_TIME, 0L);
        for (Record record : batch) {
            builder.append(record);
        }
        return array(builder.build().buffer());
    }
}
