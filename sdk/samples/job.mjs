// Opens a command and signs a receipt, as docs/rights-protocol.md says, with Node's own crypto and avsc.
// node job.mjs vectors.json COMMAND.avsc RECEIPT.avsc: what opens as JSON, then the receipt as hex digits.
import { createDecipheriv, createHmac, createPrivateKey, createPublicKey, diffieHellman, sign, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import avsc from 'avsc'

const [vectors, commandSchema, receiptSchema] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')))
const Command = avsc.Type.forSchema(commandSchema), Receipt = avsc.Type.forSchema(receiptSchema)
const hex = (text) => Buffer.from(text, 'hex')

// Raw keys of 32 bytes, in the DER that Node reads (RFC 8410).
const secret = (oid, raw) => createPrivateKey({ key: Buffer.concat([hex(`302e020100300506032b65${oid}04220420`), raw]), format: 'der', type: 'pkcs8' })
const open = (oid, raw) => createPublicKey({ key: Buffer.concat([hex(`302a300506032b65${oid}032100`), raw]), format: 'der', type: 'spki' })
const X25519 = '6e', ED25519 = '70'
const raw = (key) => createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32)

// Canonical JSON (RFC 8785) of a record without some fields; bytes as hex digits.
function canonical (value, without = []) {
  if (Buffer.isBuffer(value)) return JSON.stringify(value.toString('hex'))
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item)).join()}]`
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const names = Object.keys(value).filter((name) => !without.includes(name)).sort()
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`
}

// HPKE in base mode (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; single shot.
const KEM = Buffer.concat([Buffer.from('KEM'), hex('0020')]), SUITE = Buffer.concat([Buffer.from('HPKE'), hex('002000010002')])
const extract = (suite, salt, label, key) =>
  createHmac('sha256', salt).update(Buffer.concat([Buffer.from('HPKE-v1'), suite, Buffer.from(label), key])).digest()
function expand (suite, key, label, info, length) {
  const size = Buffer.from([length >> 8, length & 255])
  const whole = Buffer.concat([size, Buffer.from('HPKE-v1'), suite, Buffer.from(label), info])
  // One block of HKDF-Expand is enough: nothing here is longer than 32 bytes.
  return createHmac('sha256', key).update(Buffer.concat([whole, Buffer.from([1])])).digest().subarray(0, length)
}
function unseal (sealed, unsealKey, info) {
  const enc = sealed.subarray(0, 32), body = sealed.subarray(32, -16), key = secret(X25519, unsealKey), none = Buffer.alloc(0)
  const dh = diffieHellman({ privateKey: key, publicKey: open(X25519, enc) })
  const shared = expand(KEM, extract(KEM, none, 'eae_prk', dh), 'shared_secret', Buffer.concat([enc, raw(key)]), 32)
  const context = Buffer.concat([hex('00'), extract(SUITE, none, 'psk_id_hash', none), extract(SUITE, none, 'info_hash', info)])
  const last = extract(SUITE, shared, 'secret', none)
  const cipher = createDecipheriv('aes-256-gcm', expand(SUITE, last, 'key', context, 32), expand(SUITE, last, 'base_nonce', context, 12))
  cipher.setAuthTag(sealed.subarray(-16))
  return Buffer.concat([cipher.update(body), cipher.final()])
}

function opened (message, key) {
  if (message.subarray(0, 2).toString('hex') !== 'c301') throw new Error('no single object')
  const command = Command.fromBuffer(message.subarray(10))
  const signed = Buffer.from(canonical(command, ['signature']))
  if (command.key_id !== key.id || !verify(null, signed, open(ED25519, hex(key.verify)), command.signature)) throw new Error('not_authentic')
  return JSON.parse(unseal(command.sealed_identifiers, hex(key.unseal), Buffer.from(canonical(command, ['signature', 'sealed_identifiers']))))
}

function signed (receipt, key, fingerprint) {
  const signature = sign(null, Buffer.from(canonical(receipt, ['signature'])), secret(ED25519, hex(key.sign)))
  return Buffer.concat([hex('c301'), fingerprint, Receipt.toBuffer({ ...receipt, signature })])
}

const key = vectors.job_key
for (const [why, message] of Object.entries(vectors.refused)) {
  let opens = true
  try { opened(hex(message), key) } catch { opens = false }
  if (opens) throw new Error(`opened what is ${why}`)
}
console.log(JSON.stringify(opened(hex(vectors.command.message), key)))
const written = hex(vectors.receipt.message)
console.log(signed(Receipt.fromBuffer(written.subarray(10)), key, written.subarray(2, 10)).toString('hex'))
