// Holds innsyn.mjs against the test vectors. node vectors.mjs VECTORS KEY_FILE AVRO_FOLDER: what the command opens
// to as JSON, then the receipt as hex digits; the same of each other right, in the order of their names; a part of a copy that
// is sealed here, after who is kept of what has run out, and its receipt. NOW is when the command of the vectors is read.
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
// A message of the job signed anew, by what it says.
const again = (type, message, command) => {
  const { signature, ...said } = type.fromBuffer(hex(message).subarray(10))
  return innsyn.receipt(command ?? said, said).toString('hex')
}
console.log(JSON.stringify(innsyn.opened(hex(vectors.command.message), NOW).identifiers))
console.log(again(innsyn.receiptType, vectors.receipt.message))
for (const kind of Object.keys(vectors.rights).sort()) {
  const command = innsyn.opened(hex(vectors.rights[kind].command.message), NOW), { identifiers, content } = command
  console.log(JSON.stringify({ identifiers, content }))
  console.log(again(innsyn.rightsReceiptType, vectors.rights[kind].receipt.message, command))
}
const access = innsyn.opened(hex(vectors.rights.access.command.message), NOW)
const { kept, people } = innsyn.opened(hex(vectors.retention.command.message), NOW)
if (people.length || kept.length !== vectors.retention.command.kept.length) throw new Error('those who stay are told as those who go')
console.log(JSON.stringify(innsyn.opened(hex(vectors.retention.command.message), NOW).identifiers))
console.log(again(innsyn.receiptType, vectors.retention.receipt.message))
console.log(innsyn.part(access, vectors.copy.part.records, 1, 1, NOW).message.toString('hex'))
