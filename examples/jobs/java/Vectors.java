// Holds Innsyn.java against the test vectors. java -cp … Vectors VECTORS KEY_FILE AVRO_FOLDER: what the
// command opens to as JSON, then the receipt as hex digits; the same of each other right, in the order of their names; a part
// of a copy that is sealed here, after who is kept of what has run out, and its receipt. NOW is when the command of the vectors is read.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.TreeMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;

public class Vectors {
  static final long NOW = Instant.parse("2026-03-09T07:30:00Z").toEpochMilli();

  public static void main(String[] args) throws Exception {
    JsonNode vectors = new ObjectMapper().readTree(new File(args[0]));
    Innsyn innsyn = new Innsyn(List.of(Path.of(args[1])), Path.of(args[2]));
    for (JsonNode refused : vectors.get("refused")) {
      boolean opens = true;
      try {
        opens = innsyn.opened(Innsyn.hex(refused.asText()), NOW) != null;
      } catch (Innsyn.Refused expected) {
        opens = false;
      }
      if (opens) throw new IllegalStateException("opened what has to be refused");
    }
    byte[] command = Innsyn.hex(vectors.get("command").get("message").asText());
    shown(innsyn.opened(command, NOW).identifiers());
    GenericRecord receipt = decoded(innsyn.receipt, vectors.get("receipt"));
    System.out.println(again(innsyn, receipt, receipt));
    var kinds = new TreeMap<String, JsonNode>();
    vectors.get("rights").fields().forEachRemaining(item -> kinds.put(item.getKey(), item.getValue()));
    for (JsonNode item : kinds.values()) {
      var opened = innsyn.opened(Innsyn.hex(item.get("command").get("message").asText()), NOW);
      ObjectNode said = Innsyn.JSON.createObjectNode();
      said.set("identifiers", opened.identifiers());
      said.set("content", opened.content());
      shown(said);
      System.out.println(again(innsyn, opened.command(), decoded(innsyn.rightsReceipt, item.get("receipt"))));
    }
    JsonNode retention = vectors.get("retention");
    var expiry = innsyn.opened(Innsyn.hex(retention.get("command").get("message").asText()), NOW);
    if (!expiry.people().isEmpty() || expiry.kept().size() != expiry.identifiers().size())
      throw new IllegalStateException("those who stay are told as those who go");
    shown(expiry.identifiers());
    GenericRecord expired = decoded(innsyn.receipt, retention.get("receipt"));
    System.out.println(again(innsyn, expired, expired));
    byte[] access = Innsyn.hex(vectors.get("rights").get("access").get("command").get("message").asText());
    JsonNode records = vectors.get("copy").get("part").get("records");
    System.out.println(Innsyn.HEX.formatHex(innsyn.part(innsyn.opened(access, NOW).command(), records, 1, 1, NOW).message()));
  }

  static void shown(JsonNode said) throws Exception {
    System.out.write(Innsyn.JSON.writeValueAsBytes(said));
    System.out.println();
  }

  static GenericRecord decoded(Schema schema, JsonNode vector) throws Exception {
    byte[] written = Innsyn.hex(vector.get("message").asText());
    var decoder = DecoderFactory.get().binaryDecoder(written, 10, written.length - 10, null);
    return new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
  }

  // A receipt signed anew, by what it says.
  static String again(Innsyn innsyn, GenericRecord command, GenericRecord receipt) throws Exception {
    JsonNode said = Innsyn.JSON.readTree(Innsyn.canonical(receipt, "signature"));
    return Innsyn.HEX.formatHex(innsyn.receipt(command, said, NOW));
  }
}
