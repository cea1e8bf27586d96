import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Calls Kafka's tools one after the other in one JVM. A line of standard input is a call: a class, what its
 * standard input holds, and its arguments, each in base64 and a blank between them. A line of standard output is
 * what came of it: the exit code, standard output and standard error. A tool that ends the process itself has
 * "ended" in the place of the code.
 */
public class Calls {
    /** Ends a call where the tool would end the process. */
    private static class Ended extends RuntimeException {
        final int code;

        Ended(int code) {
            super("ended with " + code);
            this.code = code;
        }
    }

    private static int code;
    private static boolean hasEnded;
    private static volatile boolean isCalling;
    private static String output;
    private static String errors;
    private static ByteArrayOutputStream out;
    private static ByteArrayOutputStream err;
    private static final List<Runnable> hooks = new ArrayList<>();

    /** What was printed up to the first exit counts: what follows would not have run. */
    private static void end(int with) {
        if (hasEnded) return;
        hasEnded = true;
        code = with;
        hooks.forEach(Runnable::run);
        System.out.flush();
        System.err.flush();
        output = encode(out);
        errors = encode(err);
    }

    private static String encode(ByteArrayOutputStream bytes) {
        return "=" + Base64.getEncoder().encodeToString(bytes.toByteArray());
    }

    private static String decode(String word) {
        return new String(Base64.getDecoder().decode(word.substring(1)), StandardCharsets.UTF_8);
    }

    public static void main(String[] none) throws Exception {
        PrintStream answers = System.out;
        Exit.setExitProcedure((with, message) -> {
            end(with);
            throw new Ended(with);
        });
        Exit.setHaltProcedure((with, message) -> {
            end(with);
            throw new Ended(with);
        });
        Exit.setShutdownHookAdder((name, hook) -> {
            if (name.contains("producer")) hooks.add(hook);
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            if (!isCalling) return;
            System.out.flush();
            System.err.flush();
            answers.println("ended " + encode(out) + " " + encode(err));
            answers.flush();
        }));
        BufferedReader calls = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = calls.readLine(); line != null; line = calls.readLine()) {
            String[] words = Arrays.stream(line.split(" ")).map(Calls::decode).toArray(String[]::new);
            hasEnded = false;
            hooks.clear();
            out = new ByteArrayOutputStream();
            err = new ByteArrayOutputStream();
            System.setOut(new PrintStream(out));
            System.setErr(new PrintStream(err));
            System.setIn(new ByteArrayInputStream(words[1].getBytes(StandardCharsets.UTF_8)));
            String[] arguments = Arrays.copyOfRange(words, 2, words.length);
            isCalling = true;
            try {
                Class.forName(words[0]).getMethod("main", String[].class).invoke(null, (Object) arguments);
                end(0);
            } catch (java.lang.reflect.InvocationTargetException error) {
                // An exception that leaves main ends the process with 1.
                end(1);
            }
            isCalling = false;
            answers.println(code + " " + output + " " + errors);
            answers.flush();
        }
        Runtime.getRuntime().halt(0);
    }
}
