// Holds Innsyn.java against the test vectors. java -cp … Vectors VECTORS KEY_FILE AVRO_FOLDER: what opens as JSON, then
// the receipt as hex digits. NOW is when the command of the vectors is read.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
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
    System.out.write(Innsyn.JSON.writeValueAsBytes(innsyn.opened(command, NOW).identifiers()));
    byte[] written = Innsyn.hex(vectors.get("receipt").get("message").asText());
    var decoder = DecoderFactory.get().binaryDecoder(written, 10, written.length - 10, null);
    GenericRecord receipt = new GenericDatumReader<GenericRecord>(innsyn.receipt).read(null, decoder);
    JsonNode said = Innsyn.JSON.readTree(Innsyn.canonical(receipt, "signature"));
    System.out.println("\n" + Innsyn.HEX.formatHex(innsyn.receipt(receipt, said, NOW)));
  }
}
