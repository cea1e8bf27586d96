import java.nio.ByteBuffer;

import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.metadata.MetadataRecordSerde;

/** Reads a record of the metadata log, of any type, with its frame, and writes it again. */
public final class MetadataFrame {
    public static ByteBuffer recode(byte[] bytes) {
        var serde = MetadataRecordSerde.INSTANCE;
        var record = serde.read(new ByteBufferAccessor(ByteBuffer.wrap(bytes)), bytes.length);
        var cache = new ObjectSerializationCache();
        var written = ByteBuffer.allocate(serde.recordSize(record, cache));
        serde.write(record, cache, new ByteBufferAccessor(written));
        return written.flip();
    }
}
