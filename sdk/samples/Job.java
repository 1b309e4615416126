// Opens a command and signs a receipt, as docs/rights-protocol.md says, with Java 17's own cryptography and Apache Avro.
// java -cp 'jars/*' Job.java vectors.json COMMAND.avsc RECEIPT.avsc: what opens as JSON, then the receipt as hex digits.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Arrays;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

public class Job {
  static final HexFormat HEX = HexFormat.of();
  static final ObjectMapper JSON = new ObjectMapper();
  static final String X25519 = "6e", ED25519 = "70";
  static final byte[] NONE = {}, KEM = join(text("KEM"), hex("0020")), SUITE = join(text("HPKE"), hex("002000010002"));

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
    byte[] nine = new byte[32];
    nine[0] = 9;
    // The public half of a key is what it agrees on with the base point (RFC 7748).
    byte[] enc = Arrays.copyOf(sealed, 32), own = agreed(key, nine);
    byte[] prk = extract(KEM, NONE, "eae_prk", agreed(key, enc));
    byte[] shared = expand(KEM, prk, "shared_secret", join(enc, own), 32);
    byte[] context = join(hex("00"), extract(SUITE, NONE, "psk_id_hash", NONE), extract(SUITE, NONE, "info_hash", info));
    byte[] last = extract(SUITE, shared, "secret", NONE);
    Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
    GCMParameterSpec nonce = new GCMParameterSpec(128, expand(SUITE, last, "base_nonce", context, 12));
    cipher.init(Cipher.DECRYPT_MODE, new SecretKeySpec(expand(SUITE, last, "key", context, 32), "AES"), nonce);
    return cipher.doFinal(sealed, 32, sealed.length - 32);
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

  static byte[] opened(byte[] message, Schema schema, JsonNode key) throws Exception {
    if (message[0] != (byte) 0xC3 || message[1] != 1) throw new GeneralSecurityException("no single object");
    GenericRecord command = decoded(message, schema);
    Signature check = Signature.getInstance("Ed25519");
    check.initVerify(open(ED25519, hex(key.get("verify").asText())));
    check.update(canonical(command, "signature"));
    boolean named = command.get("key_id").toString().equals(key.get("id").asText());
    if (!named || !check.verify(bytes((ByteBuffer) command.get("signature")))) throw new GeneralSecurityException("not_authentic");
    byte[] sealed = bytes((ByteBuffer) command.get("sealed_identifiers"));
    return unseal(sealed, hex(key.get("unseal").asText()), canonical(command, "signature", "sealed_identifiers"));
  }

  static byte[] signed(GenericRecord receipt, JsonNode key, byte[] frame) throws Exception {
    Signature signature = Signature.getInstance("Ed25519");
    signature.initSign(secret(ED25519, hex(key.get("sign").asText())));
    signature.update(canonical(receipt, "signature"));
    receipt.put("signature", ByteBuffer.wrap(signature.sign()));
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    var encoder = EncoderFactory.get().directBinaryEncoder(body, null);
    new GenericDatumWriter<GenericRecord>(receipt.getSchema()).write(receipt, encoder);
    return join(frame, body.toByteArray());
  }

  static GenericRecord decoded(byte[] message, Schema schema) throws Exception {
    var decoder = DecoderFactory.get().binaryDecoder(message, 10, message.length - 10, null);
    return new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
  }

  public static void main(String[] args) throws Exception {
    JsonNode vectors = JSON.readTree(new File(args[0])), key = vectors.get("job_key");
    Schema command = new Schema.Parser().parse(new File(args[1])), receipt = new Schema.Parser().parse(new File(args[2]));
    for (JsonNode refused : vectors.get("refused")) {
      boolean opens = true;
      try {
        opened(hex(refused.asText()), command, key);
      } catch (GeneralSecurityException expected) {
        opens = false;
      }
      if (opens) throw new IllegalStateException("opened what has to be refused");
    }
    System.out.write(opened(hex(vectors.get("command").get("message").asText()), command, key));
    byte[] written = hex(vectors.get("receipt").get("message").asText());
    System.out.println("\n" + HEX.formatHex(signed(decoded(written, receipt), key, Arrays.copyOf(written, 10))));
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
