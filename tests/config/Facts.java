// Prints what Apache Kafka knows of its config keys, in the form of kafka-4.4.0.tsv. Run by main.rs
// as `java -cp JARS Facts.java`; with the jars of 4.4.0, sorted, it makes that file.

import java.lang.reflect.Field;
import java.util.Collection;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.server.config.AbstractKafkaConfig;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.storage.internals.log.LogConfig;

public class Facts {
    public static void main(String[] arguments) throws Exception {
        Map<String, String> modes = DynamicBrokerConfig.dynamicConfigUpdateModes();
        print("broker", AbstractKafkaConfig.CONFIG_DEF, modes);
        print("topic", LogConfig.configDefCopy(), Map.of());
    }

    static void print(String scope, ConfigDef def, Map<String, String> modes) throws Exception {
        for (ConfigDef.ConfigKey key : new TreeMap<>(def.configKeys()).values()) {
            String mode = scope.equals("topic") ? "cluster-wide" : modes.getOrDefault(key.name, "read-only");
            System.out.println(String.join("\t", scope, key.name, key.type.toString().toLowerCase(),
                defaultOf(key), rule(key.validator), key.importance.toString().toLowerCase(), mode,
                key.internalConfig ? "internal" : "public"));
        }
    }

    static String defaultOf(ConfigDef.ConfigKey key) {
        if (key.defaultValue == ConfigDef.NO_DEFAULT_VALUE) return "<required>";
        if (key.defaultValue == null) return "<unset>";
        return ConfigDef.convertToString(key.defaultValue, key.type);
    }

    static String rule(ConfigDef.Validator validator) throws Exception {
        if (validator == null) return "any";
        switch (validator.getClass().getSimpleName()) {
            case "NonNullValidator": return "any";
            case "Range": case "LambdaValidator": return validator.toString();
            case "NonEmptyString": return "not empty";
            case "ThrottledReplicaListValidator": return "throttled replicas";
            case "ControllerQuorumVotersValidator": return "quorum voters";
            case "ControllerQuorumBootstrapServersValidator": return "bootstrap servers";
            case "ValidString": return "one of " + joined(field(validator, "validStrings"));
            case "CaseInsensitiveValidString":
                return "one of, in any case, " + joined(new TreeSet<Object>((Collection<?>) field(validator, "validStrings")));
            case "ValidList":
                String form = (boolean) field(validator, "isEmptyAllowed") ? "list" : "filled list";
                Collection<?> allowed = (Collection<?>) field(field(validator, "validString"), "validStrings");
                return allowed.isEmpty() ? form : form + " of " + joined(allowed);
            default: throw new IllegalStateException("a new validator: " + validator.getClass());
        }
    }

    static String joined(Object choices) {
        return String.join(", ", ((Collection<?>) choices).stream().map(Object::toString).toList());
    }

    static Object field(Object object, String name) throws Exception {
        Field field = object.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(object);
    }
}
