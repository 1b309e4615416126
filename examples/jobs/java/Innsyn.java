// The rights protocol of innsyn (docs/rights-protocol.md) for a job in Java 17: commands opened, receipts signed,
// copies sealed.
// Needs Apache Avro, with the Jackson that comes with it; the cryptography is Java's own.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

public class Innsyn {
  static final HexFormat HEX = HexFormat.of();
  static final ObjectMapper JSON = new ObjectMapper();
  static final String X25519 = "6e", ED25519 = "70";
  static final byte[] NONE = {}, KEM = join(text("KEM"), hex("0020")), SUITE = join(text("HPKE"), hex("002000010002"));
  static final byte[] BASE = hex("09" + "00".repeat(31));
  static final long OLDEST = 30L * 86_400_000, CLOCKS_APART = 5L * 60_000;
  static final Set<String> KNOWN = Set.of("kind", "value", "prefix", "from", "until", "ports", "proof");

  /** A command that is not carried out: `reason` is a word of the protocol, `command` what it said. */
  static class Refused extends Exception {
    final String reason;
    final GenericRecord command;

    Refused(String reason, GenericRecord command) {
      super(reason);
      this.reason = reason;
      this.command = command;
    }
  }

  /** The key by which the system knows one of its records, which no identifier names. */
  record RecordKey(String record, String field, String value) {}

  /**
   * A command to be carried out. `identifiers` as they were sent, `people` and `keys` as understood; `content` of a
   * rectification, or null. Of what has run out `people` and `keys` are none, and `kept` those whose records stay; else null.
   */
  record Opened(
      GenericRecord command, JsonNode identifiers, List<Person> people, List<RecordKey> keys, List<Person> kept, JsonNode content) {
    String text(String field) { return command.get(field).toString(); }

    int attempt() { return (Integer) command.get("attempt"); }

    List<String> fields() { return ((Collection<?>) command.get("fields")).stream().map(Object::toString).toList(); }
  }

  /** An identifier, and when it was the person's; times in milliseconds, null where there is no limit. */
  record Person(String kind, String value, boolean prefix, Long at, Integer port, Long since, Long until, int low, int high) {
    /** Whether a record with that value, time (null: not known) and port (0: none) is the person's by it. */
    boolean names(String found, Long time, int fromPort) {
      if (prefix ? !inside(found) : !value.equals(found)) return false;
      if (at != null && (time == null || Math.floorDiv(time, 1000L) != Math.floorDiv(at, 1000L))) return false;
      if (port != null && port != fromPort) return false;
      if ((since != null || until != null) && time == null) return false;
      if ((since != null && time < since) || (until != null && time >= until)) return false;
      int counted = fromPort > 0 && fromPort <= 65535 ? fromPort : 0;
      return low <= counted && counted <= high;
    }

    private boolean inside(String found) {
      // Only what is an address by its letters: anything else would be looked up as a name.
      if (!found.contains(":") || !found.matches("[0-9a-fA-F:.]+")) return false;
      try {
        String[] parts = value.split("/");
        byte[] net = InetAddress.getByName(parts[0]).getAddress(), one = InetAddress.getByName(found).getAddress();
        int bits = Integer.parseInt(parts[1]);
        for (int bit = 0; bit < bits; bit++)
          if (((net[bit / 8] ^ one[bit / 8]) >> (7 - bit % 8) & 1) != 0) return false;
        return net.length == one.length;
      } catch (IOException notAnAddress) {
        return false;
      }
    }
  }

  final String system;
  private final Map<String, ObjectNode> keys = new LinkedHashMap<>();
  private final Map<Long, Schema> commands = new HashMap<>();
  final Schema receipt, rightsReceipt, copyPart;

  /** With the key files of one system; `avro`: the folder with every version of each record. */
  Innsyn(List<Path> keyFiles, Path avro) throws IOException {
    for (String record : List.of("erasure_command", "retention_command", "rights_command"))
      for (Schema schema : versions(avro.resolve(record))) commands.put(SchemaNormalization.parsingFingerprint64(schema), schema);
    receipt = newest(avro.resolve("erasure_receipt"));
    rightsReceipt = newest(avro.resolve("rights_receipt"));
    copyPart = newest(avro.resolve("copy_part"));
    String found = null;
    for (Path file : keyFiles) {
      String mode = PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
      if (!mode.endsWith("------")) throw new IOException(file + " can be read by others; run chmod 600 " + file);
      JsonNode stored = JSON.readTree(file.toFile());
      String named = stored.get("system").asText();
      if (found != null && !found.equals(named)) throw new IOException("the key files are of different systems");
      found = named;
      for (JsonNode key : stored.get("keys"))
        keys.computeIfAbsent(key.get("id").asText(), id -> JSON.createObjectNode()).setAll((ObjectNode) key);
    }
    system = found;
  }

  private static Schema newest(Path folder) throws IOException {
    List<Schema> found = versions(folder);
    return found.get(found.size() - 1);
  }

  private static List<Schema> versions(Path folder) throws IOException {
    try (var files = Files.list(folder)) {
      List<Path> sorted = new ArrayList<>(files.filter(file -> file.getFileName().toString().matches("\\d+\\.avsc")).toList());
      sorted.sort(Comparator.comparingInt(file -> Integer.parseInt(file.getFileName().toString().replace(".avsc", ""))));
      List<Schema> found = new ArrayList<>();
      for (Path file : sorted) found.add(new Schema.Parser().parse(file.toFile()));
      return found;
    }
  }

  /** The command, null for a message that is none. Throws Refused. */
  @SuppressWarnings("unchecked")
  Opened opened(byte[] message, long now) throws Refused {
    GenericRecord command = decoded(message);
    if (command == null) return null;
    if (!command.get("system").toString().equals(system)) throw new Refused("other_system", command);
    String keyId = command.get("key_id").toString();
    JsonNode key = keys.get(keyId);
    if (key == null) throw new Refused(keyId.isEmpty() ? "not_authentic" : "key_unknown", command);
    boolean expires = command.hasField("sealed_kept");
    byte[] plain, said = null;
    try {
      Signature check = Signature.getInstance("Ed25519");
      check.initVerify(open(ED25519, hex(key.get("verify").asText())));
      check.update(canonical(command, "signature"));
      if (!check.verify(bytes((ByteBuffer) command.get("signature")))) throw new GeneralSecurityException();
      String name = expires ? "sealed_kept" : "sealed_identifiers";
      byte[] sealed = bytes((ByteBuffer) command.get(name)), unseal = hex(key.get("unseal").asText());
      plain = unseal(sealed, unseal, canonical(command, "signature", name, "sealed_content"));
      if (ofRight(command) && command.get("sealed_content") instanceof ByteBuffer content)
        said = unseal(bytes(content), unseal, canonical(command, "signature", "sealed_content"));
    } catch (Exception notInnsyns) {
      throw new Refused("not_authentic", command);
    }
    if ((Long) command.get("issued_at") > now + CLOCKS_APART) throw new Refused("clock_off", command);
    if ((Long) command.get("issued_at") < now - OLDEST) throw new Refused("too_old", command);
    for (String items : List.of("records", "orders"))
      if (command.hasField(items))
        for (GenericRecord item : (Collection<GenericRecord>) command.get(items))
          if (item.hasField("before") && item.get("before") instanceof Long before && before > (Long) command.get("issued_at"))
            throw new Refused("clock_off", command);
    try {
      JsonNode identifiers = JSON.readTree(plain);
      if (!identifiers.isArray()) throw new IllegalArgumentException();
      List<Person> people = new ArrayList<>();
      List<RecordKey> keys = new ArrayList<>();
      for (JsonNode item : identifiers) if (item.has("record")) keys.add(recordKey(item)); else people.add(person(item));
      JsonNode content = said == null ? null : JSON.readTree(said);
      if (ofRight(command)) checkedKind(command, content);
      if (expires) checkedFields((Collection<GenericRecord>) command.get("records"));
      // Those who stay are never among `people`, by whom a job erases; a record of its own is no one who stays.
      if (expires && !keys.isEmpty()) throw new IllegalArgumentException();
      return expires
          ? new Opened(command, identifiers, List.of(), List.of(), people, null)
          : new Opened(command, identifiers, people, keys, null, content);
    } catch (Exception notUnderstood) {
      throw new Refused("command_not_understood", command);
    }
  }

  static boolean ofRight(GenericRecord command) { return command.getSchema().getName().equals("RightsCommand"); }

  // What has run out are fields of a record: none must not be taken for all.
  private static void checkedFields(Collection<GenericRecord> records) {
    for (GenericRecord item : records) {
      Collection<?> fields = (Collection<?>) item.get("fields");
      if (fields.isEmpty() || !fields.stream().allMatch(field -> field.toString().startsWith(item.get("record") + "."))) throw new IllegalArgumentException();
    }
    if (records.isEmpty()) throw new IllegalArgumentException();
  }

  // A rectification says what is right, and nothing else does; a copy is sealed to a key, and there is none without access.
  private static void checkedKind(GenericRecord command, JsonNode content) {
    String kind = command.get("kind").toString();
    boolean corrects = content != null && content.isObject() && content.size() > 0;
    boolean sealedTo = command.get("copy_key") instanceof ByteBuffer key && key.remaining() == 32;
    if (corrects != kind.equals("rectification") || (content != null) != corrects) throw new IllegalArgumentException();
    if (sealedTo != kind.equals("access")) throw new IllegalArgumentException();
  }

  private GenericRecord decoded(byte[] message) {
    if (message == null || message.length < 10 || message[0] != (byte) 0xC3 || message[1] != 1) return null;
    Schema schema = commands.get(Long.reverseBytes(ByteBuffer.wrap(message, 2, 8).getLong()));
    if (schema == null) return null;
    try {
      var decoder = DecoderFactory.get().binaryDecoder(message, 10, message.length - 10, null);
      GenericRecord command = new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
      return decoder.isEnd() ? command : null;
    } catch (IOException | RuntimeException noCommand) {
      return null;
    }
  }

  // Throws at what is not understood: a limit must not be taken for none.
  private static Person person(JsonNode said) {
    if (said.isArray()) {
      if (said.size() != 2 && said.size() != 4) throw new IllegalArgumentException();
      Integer port = said.size() == 4 && !said.get(3).isNull() ? number(said.get(3)) : null;
      return new Person(word(said.get(0)), word(said.get(1)), false, moment(said.get(2)), port, null, null, 0, 65535);
    }
    said.fieldNames().forEachRemaining(name -> { if (!KNOWN.contains(name)) throw new IllegalArgumentException(name); });
    if (said.has("value") == said.has("prefix")) throw new IllegalArgumentException();
    JsonNode ports = said.path("ports");
    if (!ports.isMissingNode() && ports.size() != 2) throw new IllegalArgumentException();
    int low = ports.isMissingNode() ? 0 : number(ports.get(0)), high = ports.isMissingNode() ? 65535 : number(ports.get(1));
    String value = word(said.has("value") ? said.get("value") : said.get("prefix"));
    return new Person(word(said.get("kind")), value, said.has("prefix"), null, null, moment(said.get("from")), moment(said.get("until")), low, high);
  }

  private static RecordKey recordKey(JsonNode said) {
    if (said.size() != 3) throw new IllegalArgumentException();
    return new RecordKey(word(said.path("record")), word(said.path("field")), word(said.path("value")));
  }

  private static String word(JsonNode node) {
    if (!node.isTextual()) throw new IllegalArgumentException();
    return node.asText();
  }

  private static int number(JsonNode node) {
    if (!node.isInt()) throw new IllegalArgumentException();
    return node.asInt();
  }

  private static Long moment(JsonNode node) {
    return node == null || node.isNull() ? null : OffsetDateTime.parse(word(node)).toInstant().toEpochMilli();
  }

  /** The signed receipt that answers a command. `said`: `state`, and what else is not empty. */
  byte[] receipt(GenericRecord command, JsonNode said, long now) throws Exception {
    boolean right = ofRight(command);
    GenericRecord whole = answer(right ? rightsReceipt : receipt, command, said);
    if (!said.has("reported_at")) whole.put("reported_at", now);
    if (!right) for (String name : List.of("erased", "held")) whole.put(name, ((Number) whole.get(name)).longValue());
    return signed(whole);
  }

  /** Part `part` of `parts` of a copy, sealed to the key of its command and signed; SHA-256 of `sealed` goes into the digest. */
  record Part(byte[] message, byte[] sealed) {}

  Part part(GenericRecord command, JsonNode records, int part, int parts, long now) throws Exception {
    GenericRecord whole = answer(copyPart, command, JSON.createObjectNode().put("part", part).put("parts", parts));
    whole.put("sent_at", now);
    byte[] to = bytes((ByteBuffer) command.get("copy_key"));
    byte[] sealed = seal(JSON.writeValueAsBytes(records), to, canonical(whole, "sealed", "signature"));
    whole.put("sealed", ByteBuffer.wrap(sealed));
    return new Part(signed(whole), sealed);
  }

  private JsonNode key(GenericRecord command) {
    return keys.getOrDefault(command.get("key_id").toString(), keys.values().iterator().next());
  }

  private GenericRecord answer(Schema schema, GenericRecord command, JsonNode said) {
    GenericRecord whole = new GenericData.Record(schema);
    for (Schema.Field field : schema.getFields()) {
      JsonNode value = said.get(field.name());
      if (value != null && !value.isNull()) whole.put(field.name(), avro(value, field.schema()));
      else if (field.schema().getType() == Schema.Type.LONG || field.schema().getType() == Schema.Type.INT) whole.put(field.name(), 0);
      else if (field.schema().getType() == Schema.Type.ARRAY) whole.put(field.name(), List.of());
    }
    for (String name : List.of("command_id", "request_id", "system", "attempt")) whole.put(name, command.get(name));
    whole.put("key_id", key(command).get("id").asText());
    return whole;
  }

  private byte[] signed(GenericRecord whole) throws Exception {
    Signature signature = Signature.getInstance("Ed25519");
    signature.initSign(secret(ED25519, hex(key(whole).get("sign").asText())));
    signature.update(canonical(whole, "signature"));
    whole.put("signature", ByteBuffer.wrap(signature.sign()));
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    var encoder = EncoderFactory.get().directBinaryEncoder(body, null);
    new GenericDatumWriter<GenericRecord>(whole.getSchema()).write(whole, encoder);
    ByteBuffer frame = ByteBuffer.allocate(10).put((byte) 0xC3).put((byte) 1);
    frame.putLong(Long.reverseBytes(SchemaNormalization.parsingFingerprint64(whole.getSchema())));
    return join(frame.array(), body.toByteArray());
  }

  private static Object avro(JsonNode value, Schema schema) {
    switch (schema.getType()) {
      case UNION: return avro(value, schema.getTypes().get(1));
      case LONG: return value.asLong();
      case INT: return value.asInt();
      case BOOLEAN: return value.asBoolean();
      case BYTES: return ByteBuffer.wrap(hex(value.asText()));
      case ENUM: return new GenericData.EnumSymbol(schema, value.asText());
      case ARRAY:
        List<Object> items = new ArrayList<>();
        for (JsonNode item : value) items.add(avro(item, schema.getElementType()));
        return items;
      case RECORD:
        GenericRecord record = new GenericData.Record(schema);
        for (Schema.Field field : schema.getFields()) record.put(field.name(), avro(value.get(field.name()), field.schema()));
        return record;
      default: return value.asText();
    }
  }

  // Raw keys of 32 bytes, in the DER that Java reads (RFC 8410).
  static PrivateKey secret(String oid, byte[] raw) throws GeneralSecurityException {
    byte[] der = join(hex("302e020100300506032b65" + oid + "04220420"), raw);
    return KeyFactory.getInstance(oid.equals(X25519) ? "XDH" : "EdDSA").generatePrivate(new PKCS8EncodedKeySpec(der));
  }

  static PublicKey open(String oid, byte[] raw) throws GeneralSecurityException {
    byte[] der = join(hex("302a300506032b65" + oid + "032100"), raw);
    return KeyFactory.getInstance(oid.equals(X25519) ? "XDH" : "EdDSA").generatePublic(new X509EncodedKeySpec(der));
  }

  static byte[] agreed(byte[] key, byte[] other) throws GeneralSecurityException {
    KeyAgreement agreement = KeyAgreement.getInstance("X25519");
    agreement.init(secret(X25519, key));
    agreement.doPhase(open(X25519, other), true);
    return agreement.generateSecret();
  }

  // Canonical JSON (RFC 8785) of a record without some fields; bytes as hex digits.
  static byte[] canonical(GenericRecord record, String... without) throws Exception {
    return JSON.writeValueAsBytes(plain(record, Set.of(without)));
  }

  static Object plain(Object value, Set<String> without) {
    if (value instanceof GenericRecord record) {
      TreeMap<String, Object> fields = new TreeMap<>();
      for (Schema.Field field : record.getSchema().getFields())
        if (!without.contains(field.name())) fields.put(field.name(), plain(record.get(field.pos()), Set.of()));
      return fields;
    }
    if (value instanceof Collection<?> items) return items.stream().map(item -> plain(item, Set.of())).toList();
    if (value instanceof ByteBuffer buffer) return HEX.formatHex(bytes(buffer));
    return value == null || value instanceof Number || value instanceof Boolean ? value : value.toString();
  }

  // HPKE in base mode (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; single shot.
  static byte[] unseal(byte[] sealed, byte[] key, byte[] info) throws GeneralSecurityException {
    // The public half of a key is what it agrees on with the base point (RFC 7748).
    byte[] enc = Arrays.copyOf(sealed, 32);
    return cipher(Cipher.DECRYPT_MODE, agreed(key, enc), enc, agreed(key, BASE), info).doFinal(sealed, 32, sealed.length - 32);
  }

  static byte[] seal(byte[] plain, byte[] to, byte[] info) throws GeneralSecurityException {
    byte[] fresh = new byte[32];
    new SecureRandom().nextBytes(fresh);
    byte[] enc = agreed(fresh, BASE);
    return join(enc, cipher(Cipher.ENCRYPT_MODE, agreed(fresh, to), enc, to, info).doFinal(plain));
  }

  private static Cipher cipher(int mode, byte[] agreed, byte[] enc, byte[] to, byte[] info) throws GeneralSecurityException {
    byte[] shared = expand(KEM, extract(KEM, NONE, "eae_prk", agreed), "shared_secret", join(enc, to), 32);
    byte[] context = join(hex("00"), extract(SUITE, NONE, "psk_id_hash", NONE), extract(SUITE, NONE, "info_hash", info));
    byte[] last = extract(SUITE, shared, "secret", NONE);
    Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
    GCMParameterSpec nonce = new GCMParameterSpec(128, expand(SUITE, last, "base_nonce", context, 12));
    cipher.init(mode, new SecretKeySpec(expand(SUITE, last, "key", context, 32), "AES"), nonce);
    return cipher;
  }

  static byte[] extract(byte[] suite, byte[] salt, String label, byte[] key) throws GeneralSecurityException {
    return mac(salt.length == 0 ? new byte[32] : salt, join(text("HPKE-v1"), suite, text(label), key));
  }

  static byte[] expand(byte[] suite, byte[] key, String label, byte[] info, int length) throws GeneralSecurityException {
    byte[] size = {(byte) (length >> 8), (byte) length};
    // One block of HKDF-Expand is enough: nothing here is longer than 32 bytes.
    byte[] block = mac(key, join(size, text("HPKE-v1"), suite, text(label), info, new byte[] {1}));
    return Arrays.copyOf(block, length);
  }

  static byte[] mac(byte[] key, byte[] content) throws GeneralSecurityException {
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(key, "HmacSHA256"));
    return mac.doFinal(content);
  }

  static byte[] hex(String digits) { return HEX.parseHex(digits); }

  static byte[] text(String text) { return text.getBytes(StandardCharsets.UTF_8); }

  static byte[] bytes(ByteBuffer buffer) {
    byte[] found = new byte[buffer.remaining()];
    buffer.duplicate().get(found);
    return found;
  }

  static byte[] join(byte[]... parts) {
    ByteArrayOutputStream whole = new ByteArrayOutputStream();
    for (byte[] part : List.of(parts)) whole.writeBytes(part);
    return whole.toByteArray();
  }
}
