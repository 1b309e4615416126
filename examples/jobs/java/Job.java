// An erasure job in Java 17: a store of orders in one JSON file. java -cp … Job BOOTSTRAP KEY_FILE STORE AVRO_FOLDER
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.channels.FileChannel;
import java.nio.file.*;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.*;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.*;

public class Job {
  static final List<String> PERSONAL = List.of("customer_number", "name", "ip", "phone");
  static Innsyn innsyn;
  static Path file;
  static ObjectNode store;

  // What is erased and what is remembered of it are one write, on disk or not at all.
  static void save() throws Exception {
    Path scratch = Path.of(file + ".new");
    try (FileChannel to = FileChannel.open(scratch, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
      to.write(ByteBuffer.wrap(Innsyn.JSON.writeValueAsBytes(store)));
      to.force(true);
    }
    Files.move(scratch, file, StandardCopyOption.ATOMIC_MOVE);
  }

  static JsonNode erase(Innsyn.Opened command) throws Exception {
    Set<String> going = new TreeSet<>();
    for (String field : command.fields()) {
      if (!field.startsWith("Order.") || !PERSONAL.contains(field.substring(6))) return failed("unknown_field");
      going.add(field.substring(6));
    }
    if (!((Collection<?>) command.command().get("orders")).isEmpty()) return failed("needs_person");
    Set<String> keys = new HashSet<>();
    for (Innsyn.RecordKey key : command.keys()) {
      if (!key.record().equals("Order")) continue;
      if (!key.field().equals("order_id")) return failed("unknown_field");
      keys.add(key.value());
    }
    Long cutOff = command.command().hasField("cut_off") ? (Long) command.command().get("cut_off") : null;
    ArrayNode kept = Innsyn.JSON.createArrayNode();
    int deleted = 0, redacted = 0;
    for (JsonNode item : store.withArray("Order")) {
      ObjectNode order = (ObjectNode) item;
      Long at = order.hasNonNull("at") ? order.get("at").asLong() : null;
      // An order is its customer's, whatever else of the person stands in it.
      boolean others = order.hasNonNull("customer_number") && command.people().stream().noneMatch(
          person -> person.kind().equals("customer_number") && person.value().equals(order.get("customer_number").asText()));
      // What came at the cut-off or later is of somebody who has come back; what has no time is meant.
      boolean since = cutOff != null && at != null && at >= cutOff;
      boolean theirs = !others && !since && command.people().stream().anyMatch(
          person -> order.hasNonNull(person.kind()) && person.names(order.get(person.kind()).asText(), at, order.path("port").asInt()));
      // An order that is told by its own key, unless it names a person by anything else.
      theirs |= !since && keys.contains(order.path("order_id").asText()) && !order.hasNonNull("customer_number") && !order.hasNonNull("phone");
      if (theirs) for (String name : going) order.putNull(name);
      // An order that names nobody any more goes as a whole.
      boolean empty = theirs && PERSONAL.stream().noneMatch(order::hasNonNull);
      if (empty) deleted++; else kept.add(order);
      if (theirs && !empty) redacted++;
    }
    if (deleted + redacted == 0) return Innsyn.JSON.createObjectNode().put("state", "not_found");
    store.set("Order", kept);
    ObjectNode done = Innsyn.JSON.createObjectNode().put("state", "done").put("erased", deleted + redacted);
    done.withArray("outcomes").addObject().put("record", "Order").put("deleted", deleted).put("redacted", redacted).putArray("stayed_for");
    return done;
  }

  // What has run out, whoever it is about, but for orders that name somebody who is kept. What has no time stays, and is told.
  @SuppressWarnings("unchecked")
  static JsonNode expire(Innsyn.Opened command) throws Exception {
    var records = (Collection<GenericRecord>) command.command().get("records");
    for (GenericRecord item : records) {
      for (Object field : (Collection<?>) item.get("fields"))
        if (!field.toString().startsWith("Order.") || !PERSONAL.contains(field.toString().substring(6))) return failed("unknown_field");
      if (item.get("where") != null) return failed("needs_person");
    }
    ArrayNode left = Innsyn.JSON.createArrayNode();
    int deleted = 0, redacted = 0, undated = 0;
    for (JsonNode item : store.withArray("Order")) {
      ObjectNode order = (ObjectNode) item;
      Long at = order.hasNonNull("at") ? order.get("at").asLong() : null;
      Set<String> going = new TreeSet<>();
      for (GenericRecord one : records)
        if (at == null || at < (Long) one.get("before"))
          for (Object field : (Collection<?>) one.get("fields")) going.add(field.toString().substring(6));
      boolean whole = going.containsAll(PERSONAL), some = going.stream().anyMatch(order::hasNonNull);
      boolean stays = command.kept().stream().anyMatch(
          person -> order.hasNonNull(person.kind()) && person.names(order.get(person.kind()).asText(), at, order.path("port").asInt()));
      boolean goes = (whole || some) && !stays;
      if (goes && at == null) undated++;
      else if (goes && whole) deleted++;
      else if (goes) {
        for (String name : going) order.putNull(name);
        redacted++;
      }
      if (!goes || at == null || !whole) left.add(order);
    }
    store.set("Order", left);
    if (deleted + redacted + undated == 0) return Innsyn.JSON.createObjectNode().put("state", "not_found");
    ObjectNode said = Innsyn.JSON.createObjectNode().put("state", undated > 0 ? "partial" : "done").put("erased", deleted + redacted);
    if (undated > 0) said.put("held", undated).put("reason", "undated");
    said.withArray("outcomes").addObject().put("record", "Order").put("deleted", deleted).put("redacted", redacted).putArray("stayed_for");
    return said;
  }

  static JsonNode failed(String reason) { return Innsyn.JSON.createObjectNode().put("state", "failed").put("reason", reason); }

  static void answer(byte[] message, Producer<byte[], byte[]> producer) throws Exception {
    Innsyn.Opened command;
    try {
      command = innsyn.opened(message, System.currentTimeMillis());
    } catch (Innsyn.Refused refused) {
      send(producer, refused.command, failed(refused.reason));
      return;
    }
    if (command == null) return;
    String id = command.text("command_id"), once = id + "#" + command.attempt();
    if (store.withObject("/newest").path(id).asInt() > command.attempt()) {
      send(producer, command.command(), failed("superseded"));
      return;
    }
    if (!store.withObject("/outcomes").has(once)) {
      store.withObject("/newest").put(id, command.attempt());
      store.withObject("/outcomes").set(once, command.kept() == null ? erase(command) : expire(command));
      save();
    }
    send(producer, command.command(), Innsyn.JSON.createObjectNode().put("state", "accepted"));
    send(producer, command.command(), store.withObject("/outcomes").get(once));
  }

  static void send(Producer<byte[], byte[]> producer, GenericRecord command, JsonNode said) throws Exception {
    byte[] key = Innsyn.text(command.get("request_id").toString());
    producer.send(new ProducerRecord<>("rights.receipts", key, innsyn.receipt(command, said, System.currentTimeMillis()))).get();
  }

  public static void main(String[] args) throws Exception {
    innsyn = new Innsyn(List.of(Path.of(args[1])), Path.of(args[3]));
    file = Path.of(args[2]);
    store = (ObjectNode) Innsyn.JSON.readTree(file.toFile());
    Map<String, Object> kafka = Map.of("bootstrap.servers", args[0], "acks", "all", "group.id", "innsyn-erasure-" + innsyn.system,
        "enable.auto.commit", false, "auto.offset.reset", "earliest", "isolation.level", "read_committed");
    var consumer = new KafkaConsumer<>(kafka, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    Thread main = Thread.currentThread();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      consumer.wakeup();
      try { main.join(10_000); } catch (InterruptedException ended) { Thread.currentThread().interrupt(); }
    }));
    try (consumer; var producer = new KafkaProducer<>(kafka, new ByteArraySerializer(), new ByteArraySerializer())) {
      consumer.subscribe(List.of("deletion." + innsyn.system));
      while (true) {
        var messages = consumer.poll(Duration.ofSeconds(1));
        for (ConsumerRecord<byte[], byte[]> message : messages) answer(message.value(), producer);
        consumer.commitSync(); // Only now: a job that dies before is told again, and answers the same.
      }
    } catch (WakeupException stopped) {
      // SIGTERM came; what is in hand was answered.
    }
  }
}
