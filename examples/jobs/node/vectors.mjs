// Holds innsyn.mjs against the test vectors. node vectors.mjs VECTORS KEY_FILE AVRO_FOLDER: what opens as JSON, then the
// receipt as hex digits. NOW is when the command of the vectors is read.
import { readFileSync } from 'node:fs'
import { Innsyn } from './innsyn.mjs'

const [file, keyFile, avro] = process.argv.slice(2)
const vectors = JSON.parse(readFileSync(file, 'utf8')), innsyn = new Innsyn([keyFile], avro), NOW = Date.parse('2026-03-09T07:30:00Z')
const hex = (text) => Buffer.from(text, 'hex')
for (const [why, message] of Object.entries(vectors.refused)) {
  let opens = true
  try { innsyn.opened(hex(message), NOW) } catch { opens = false }
  if (opens) throw new Error(`opened what is ${why}`)
}
console.log(JSON.stringify(innsyn.opened(hex(vectors.command.message), NOW).identifiers))
const { signature, ...said } = innsyn.receiptType.fromBuffer(hex(vectors.receipt.message).subarray(10))
console.log(innsyn.receipt(said, said).toString('hex'))
