// The rights protocol of innsyn (docs/rights-protocol.md) for a job in Node: commands opened, receipts signed, copies sealed.
// Needs avsc; the cryptography is Node's own.
import {
  createCipheriv, createDecipheriv, createHmac, createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, sign, verify
} from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { BlockList } from 'node:net'
import { join } from 'node:path'
import avsc from 'avsc'

const hex = (text) => Buffer.from(text, 'hex')
const X25519 = '6e', ED25519 = '70', DAY = 86_400_000
const OLDEST = 30 * DAY, CLOCKS_APART = 5 * 60_000

// Raw keys of 32 bytes, in the DER that Node reads (RFC 8410).
const secret = (oid, raw) => createPrivateKey({ key: Buffer.concat([hex(`302e020100300506032b65${oid}04220420`), raw]), format: 'der', type: 'pkcs8' })
const open = (oid, raw) => createPublicKey({ key: Buffer.concat([hex(`302a300506032b65${oid}032100`), raw]), format: 'der', type: 'spki' })
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
// The key and nonce that two keys agree on; `enc`: the fresh public key, `to`: the one it is sealed to, both raw.
function agreed (privateKey, publicKey, enc, to, info) {
  const dh = diffieHellman({ privateKey, publicKey }), none = Buffer.alloc(0)
  const shared = expand(KEM, extract(KEM, none, 'eae_prk', dh), 'shared_secret', Buffer.concat([enc, to]), 32)
  const context = Buffer.concat([hex('00'), extract(SUITE, none, 'psk_id_hash', none), extract(SUITE, none, 'info_hash', info)])
  const last = extract(SUITE, shared, 'secret', none)
  return [expand(SUITE, last, 'key', context, 32), expand(SUITE, last, 'base_nonce', context, 12)]
}
function unseal (sealed, unsealKey, info) {
  const enc = sealed.subarray(0, 32), key = secret(X25519, unsealKey)
  const cipher = createDecipheriv('aes-256-gcm', ...agreed(key, open(X25519, enc), enc, raw(key), info))
  cipher.setAuthTag(sealed.subarray(-16))
  return Buffer.concat([cipher.update(sealed.subarray(32, -16)), cipher.final()])
}
function seal (plain, to, info) {
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  const enc = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  const cipher = createCipheriv('aes-256-gcm', ...agreed(privateKey, open(X25519, to), enc, to, info))
  return Buffer.concat([enc, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

// CRC-64-AVRO of the schema's parsing canonical form, little-endian, behind the magic of a single object.
const EMPTY = 0xc15d213aa4d7a795n
const TABLE = Array.from({ length: 256 }, (_, byte) => {
  let crc = BigInt(byte)
  for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ (EMPTY & -(crc & 1n) & 0xffffffffffffffffn)
  return crc
})
function frame (type) {
  let crc = EMPTY
  for (const byte of Buffer.from(JSON.stringify(type.schema()))) crc = (crc >> 8n) ^ TABLE[Number((crc ^ BigInt(byte)) & 255n)]
  const whole = Buffer.from('c301'.padEnd(20, '0'), 'hex')
  whole.writeBigUInt64LE(crc, 2)
  return whole
}

/** A command that is not carried out: `message` is a word of the protocol, `command` what it said. */
export class Refused extends Error {
  constructor (reason, command) { super(reason); this.command = command }
}

/** Opens and answers with the key files of one system; `avro`: the folder with every version of each record. */
export class Innsyn {
  constructor (keyFiles, avro) {
    const types = (record) => readdirSync(join(avro, record)).filter((name) => /^\d+\.avsc$/.test(name))
      .sort((one, other) => parseInt(one) - parseInt(other))
      .map((name) => avsc.Type.forSchema(JSON.parse(readFileSync(join(avro, record, name), 'utf8'))))
    const commands = ['erasure_command', 'retention_command', 'rights_command'].flatMap(types)
    this.commands = new Map(commands.map((type) => [frame(type).toString('hex'), type]))
    this.receiptType = types('erasure_receipt').at(-1)
    this.rightsReceiptType = types('rights_receipt').at(-1)
    this.partType = types('copy_part').at(-1)
    this.keys = new Map()
    for (const file of keyFiles) {
      if (statSync(file).mode & 0o077) throw new Error(`${file} can be read by others; run chmod 600 ${file}`)
      const { system, keys } = JSON.parse(readFileSync(file, 'utf8'))
      if (this.system !== undefined && this.system !== system) throw new Error('the key files are of different systems')
      this.system = system
      for (const key of keys) this.keys.set(key.id, { ...this.keys.get(key.id), ...key })
    }
  }

  /**
   * The command and whom it is about (`identifiers` as they were sent, `people` as `names` takes them, `keys` of records that
   * are told by their own key), and of a rectification the `content`; of what has run out nobody, and in `kept` those whose
   * records stay. Null for a message that is no command. Throws Refused.
   */
  opened (message, now = Date.now()) {
    const type = this.commands.get(message.subarray(0, 10).toString('hex'))
    let command
    try { command = type && type.fromBuffer(message.subarray(10)) } catch { return null }
    if (!command) return null
    if (command.system !== this.system) throw new Refused('other_system', command)
    const key = this.keys.get(command.key_id)
    if (!key) throw new Refused(command.key_id ? 'key_unknown' : 'not_authentic', command)
    const expires = command.sealed_kept !== undefined
    let plain, content = null
    try {
      if (!verify(null, Buffer.from(canonical(command, ['signature'])), open(ED25519, hex(key.verify)), command.signature)) throw new Error()
      const opens = (name, ...beside) => unseal(command[name], hex(key.unseal), Buffer.from(canonical(command, ['signature', name, ...beside])))
      plain = expires ? opens('sealed_kept') : opens('sealed_identifiers', 'sealed_content')
      if (command.sealed_content != null) content = opens('sealed_content')
    } catch { throw new Refused('not_authentic', command) }
    if (command.issued_at > now + CLOCKS_APART) throw new Refused('clock_off', command)
    if (command.issued_at < now - OLDEST) throw new Refused('too_old', command)
    if ([...command.records ?? [], ...command.orders ?? []].some((item) => item.before > command.issued_at)) throw new Refused('clock_off', command)
    try {
      const identifiers = JSON.parse(plain)
      if (!Array.isArray(identifiers)) throw new Error('no list')
      // Those who stay are never among `people`, by whom a job erases.
      if (expires) return { ...runOut(command), identifiers, people: [], kept: identifiers.map(identifier) }
      const said = content && JSON.parse(content)
      if (command.kind !== undefined) checkedKind(command, said)
      const people = identifiers.filter((item) => !isKey(item)).map(identifier), keys = identifiers.filter(isKey).map(recordKey)
      return { ...command, identifiers, people, keys, content: said }
    } catch { throw new Refused('command_not_understood', command) }
  }

  /** The signed receipt that answers a command. `said`: `state`, and what else is not empty. */
  receipt (command, said, now = Date.now()) {
    const right = command.kind !== undefined
    const counts = right ? { records: [], parts: 0, copy_digest: null } : { erased: 0, held: 0, outcomes: [] }
    const empty = { ground: null, citation: null, review_date: null, reason: null, retryable: null }
    return this.#signed(right ? this.rightsReceiptType : this.receiptType, command, { ...counts, ...empty, reported_at: now, ...said })
  }

  /** Part `part` of `parts` of a copy, sealed to the key of its command and signed: the message, and what it seals. */
  part (command, records, part, parts, now = Date.now()) {
    const bare = this.#whole(command, { part, parts, sent_at: now })
    const sealed = seal(Buffer.from(JSON.stringify(records)), command.copy_key, Buffer.from(canonical(bare)))
    return { message: this.#signed(this.partType, command, { part, parts, sent_at: now, sealed }), sealed }
  }

  #key (command) { return this.keys.get(command.key_id) ?? [...this.keys.values()][0] }

  #whole ({ command_id, request_id, system, attempt, key_id }, said) {
    return { ...said, command_id, request_id, system, attempt, key_id: this.#key({ key_id }).id }
  }

  #signed (type, command, said) {
    const whole = this.#whole(command, said)
    const signature = sign(null, Buffer.from(canonical(whole)), secret(ED25519, hex(this.#key(command).sign)))
    return Buffer.concat([frame(type), type.toBuffer({ ...whole, signature })])
  }
}

// What has run out are fields of a record: none must not be taken for all.
function runOut (command) {
  const known = ({ record, fields }) => fields.length && fields.every((field) => field.split('.')[0] === record)
  if (!command.records.length || !command.records.every(known)) throw new Error('no fields')
  return command
}

// A rectification says what is right, and nothing else does; a copy is sealed to a key, and there is none without access.
function checkedKind (command, content) {
  const corrects = content !== null && typeof content === 'object' && !Array.isArray(content) && Object.keys(content).length > 0
  if (corrects !== (command.kind === 'rectification') || (content !== null) !== corrects) throw new Error('not of its kind')
  if ((command.copy_key?.length === 32) !== (command.kind === 'access')) throw new Error('not of its kind')
}

const KNOWN = new Set(['kind', 'value', 'prefix', 'from', 'until', 'ports', 'proof'])
function moment (text) {
  if (text == null) return null
  if (!/(Z|[+-]\d\d:\d\d)$/.test(text) || Number.isNaN(Date.parse(text))) throw new Error('no time')
  return Date.parse(text)
}

// One identifier; throws at what is not understood: a limit must not be taken for none.
function identifier (said) {
  if (Array.isArray(said)) {
    const [kind, value, at = null, port = null, ...more] = said
    if (more.length || said.length === 3) throw new Error('not of its form')
    return checked({ kind, value, at: moment(at), port, ports: [0, 65535] })
  }
  if (Object.keys(said).some((name) => !KNOWN.has(name)) || ('value' in said) === ('prefix' in said)) throw new Error('not known')
  const { kind, value, prefix, ports = [0, 65535] } = said
  return checked({ kind, value: value ?? prefix, prefix: prefix !== undefined, since: moment(said.from), until: moment(said.until), ports })
}

const isKey = (said) => !Array.isArray(said) && 'record' in said
function recordKey (said) {
  if (Object.keys(said).sort().join() !== 'field,record,value' || !Object.values(said).every((text) => typeof text === 'string')) throw new Error('not known')
  return said
}

function checked (item) {
  const numbers = [...item.ports, item.port ?? 0]
  if (![item.kind, item.value].every((text) => typeof text === 'string') || numbers.length !== 3 || !numbers.every(Number.isInteger)) throw new Error('not of its form')
  return item
}

/** Whether a record with that value, time (milliseconds, null: not known) and port (0: none) is the person's by it. */
export function names (item, value, time = null, port = 0) {
  if (item.prefix) {
    const [address, bits] = item.value.split('/'), block = new BlockList()
    block.addSubnet(address, Number(bits), 'ipv6')
    if (!String(value).includes(':') || !block.check(value, 'ipv6')) return false
  } else if (value !== item.value) return false
  if (item.at != null && (time == null || Math.floor(time / 1000) !== Math.floor(item.at / 1000))) return false
  if (item.port != null && port !== item.port) return false
  if ((item.since != null || item.until != null) && time == null) return false
  if ((item.since != null && time < item.since) || (item.until != null && time >= item.until)) return false
  const counted = port > 0 && port <= 65535 ? port : 0
  return item.ports[0] <= counted && counted <= item.ports[1]
}
