import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

import org.apache.kafka.common.protocol.Message;

/** Writes a message as JSON, by the converter that Kafka generates for its class. */
public final class Json {
    public static ByteBuffer write(Message message, short version) throws Exception {
        var converter = Class.forName(message.getClass().getName() + "JsonConverter");
        var write = converter.getMethod("write", message.getClass(), short.class);
        String text = write.invoke(null, message, version).toString();
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    }
}
