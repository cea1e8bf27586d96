import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.HexFormat;

import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.Readable;

/**
 * Reads lines of "class from to hex" and answers each with the bytes that Kafka's own class writes
 * in version "to" after it has read them in version "from", as hex, or with "error" and the reason.
 *
 * The name "frame" stands for a record of the metadata log of any type, with its frame. Before a name "json:" asks
 * for the message as JSON.
 */
public final class Recode {
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        var answers = new StringBuilder();
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ", -1);
            short from = Short.parseShort(words[1]);
            short to = Short.parseShort(words[2]);
            answers.append(answer(words[0], from, to, HEX.parseHex(words[3])));
            answers.append('\n');
        }
        System.out.print(answers);
    }

    private static String answer(String name, short from, short to, byte[] bytes) {
        try {
            ByteBuffer written;
            if (name.equals("frame")) {
                written = recodeFrame(bytes);
            } else if (name.startsWith("json:")) {
                written = json(name.substring("json:".length()), from, to, bytes);
            } else {
                written = recode(name, from, to, bytes);
            }
            byte[] array = new byte[written.remaining()];
            written.get(array);
            return HEX.formatHex(array);
        } catch (Throwable error) {
            Throwable cause = error.getCause() == null ? error : error.getCause();
            return "error " + cause.toString().replace('\n', ' ');
        }
    }

    private static ByteBuffer recode(String name, short from, short to, byte[] bytes) throws Exception {
        return MessageUtil.toByteBufferAccessor(read(name, from, bytes), to).buffer();
    }

    /** By reflection, too. */
    private static ByteBuffer json(String name, short from, short to, byte[] bytes) throws Exception {
        var write = Class.forName("Json").getMethod("write", Message.class, short.class);
        return (ByteBuffer) write.invoke(null, read(name, from, bytes), to);
    }

    private static Message read(String name, short from, byte[] bytes) throws Exception {
        var accessor = new ByteBufferAccessor(ByteBuffer.wrap(bytes));
        var constructor = Class.forName(name).getConstructor(Readable.class, short.class);
        var message = (Message) constructor.newInstance(accessor, from);
        if (accessor.remaining() != 0) {
            throw new IllegalStateException(accessor.remaining() + " bytes left");
        }
        rejectUnknownTags(message);
        return message;
    }

    /** A tag that Kafka does not know would come back as it was. */
    private static void rejectUnknownTags(Object value) throws IllegalAccessException {
        if (value instanceof Collection<?> elements) {
            for (Object element : elements) {
                rejectUnknownTags(element);
            }
        } else if (value instanceof Message message) {
            if (!message.unknownTaggedFields().isEmpty()) {
                throw new IllegalStateException("unknown tagged fields in " + message);
            }
            for (Field field : message.getClass().getDeclaredFields()) {
                if (!Modifier.isStatic(field.getModifiers())) {
                    field.setAccessible(true);
                    rejectUnknownTags(field.get(message));
                }
            }
        }
    }

    /** By reflection: what it needs is not among the classes of clients. */
    private static ByteBuffer recodeFrame(byte[] bytes) throws Exception {
        var recode = Class.forName("MetadataFrame").getMethod("recode", byte[].class);
        return (ByteBuffer) recode.invoke(null, (Object) bytes);
    }
}
