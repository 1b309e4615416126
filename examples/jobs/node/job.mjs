// An erasure job in Node: a store of orders in one JSON file. node job.mjs BOOTSTRAP KEY_FILE STORE AVRO_FOLDER
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { Consumer, Producer } from '@platformatic/kafka'
import { Innsyn, Refused, names } from './innsyn.mjs'

const [bootstrap, keyFile, file, avro] = process.argv.slice(2)
const innsyn = new Innsyn([keyFile], avro)
const store = { Order: [], newest: {}, outcomes: {}, ...JSON.parse(readFileSync(file, 'utf8')) }
const PERSONAL = ['customer_number', 'name', 'ip', 'phone']

function save () { // What is erased and what is remembered of it are one write, on disk or not at all.
  const scratch = openSync(`${file}.new`, 'w', 0o600)
  writeSync(scratch, JSON.stringify(store))
  fsyncSync(scratch)
  closeSync(scratch)
  renameSync(`${file}.new`, file)
}

const unknown = (fields) => fields.map((field) => field.split('.')).some(([record, name]) => record !== 'Order' || !PERSONAL.includes(name))

function erase (command) {
  const wanted = command.fields.map((field) => field.split('.'))
  if (unknown(command.fields)) return { state: 'failed', reason: 'unknown_field' }
  if (command.orders.length) return { state: 'failed', reason: 'needs_person' }
  // An order is its customer's, whatever else of the person stands in it.
  const own = new Set(command.people.filter((item) => item.kind === 'customer_number').map((item) => item.value))
  const others = (order) => order.customer_number != null && !own.has(order.customer_number)
  const named = (order) => !others(order) && command.people.some((item) => order[item.kind] != null && names(item, order[item.kind], order.at, order.port))
  if (command.keys.some(({ record, field }) => record === 'Order' && field !== 'order_id')) return { state: 'failed', reason: 'unknown_field' }
  // An order that is told by its own key, unless it names a person by anything else.
  const keys = new Set(command.keys.filter(({ record }) => record === 'Order').map(({ value }) => value))
  const told = (order) => keys.has(String(order.order_id)) && order.customer_number == null && order.phone == null
  // What came at the cut-off or later is of somebody who has come back; what has no time is meant.
  const since = (order) => command.cut_off != null && order.at != null && order.at >= command.cut_off
  const theirs = (order) => !since(order) && (named(order) || told(order))
  const found = store.Order.filter(theirs), going = new Set(wanted.map(([, name]) => name))
  if (!found.length) return { state: 'not_found' }
  for (const order of found) for (const name of going) order[name] = null
  // An order that names nobody any more goes as a whole.
  const gone = found.filter((order) => PERSONAL.every((name) => order[name] == null))
  store.Order = store.Order.filter((order) => !gone.includes(order))
  const outcome = { record: 'Order', deleted: gone.length, redacted: found.length - gone.length, stayed_for: [] }
  return { state: 'done', erased: found.length, outcomes: [outcome] }
}

// What has run out, whoever it is about, but for orders that name somebody who is kept. What has no time stays, and is told.
function expire (command) {
  if (command.records.some(({ fields }) => unknown(fields))) return { state: 'failed', reason: 'unknown_field' }
  if (command.records.some(({ where }) => where)) return { state: 'failed', reason: 'needs_person' }
  const stays = (order) => command.kept.some((item) => order[item.kind] != null && names(item, order[item.kind], order.at, order.port))
  let deleted = 0, redacted = 0, undated = 0
  store.Order = store.Order.filter((order) => {
    const meant = command.records.filter(({ before }) => order.at == null || order.at < before)
    const going = new Set(meant.flatMap(({ fields }) => fields.map((field) => field.split('.')[1])))
    const whole = PERSONAL.every((name) => going.has(name)), there = [...going].filter((name) => order[name] != null)
    if ((!whole && !there.length) || stays(order)) return true
    if (order.at == null) { undated++; return true }
    if (whole) { deleted++; return false }
    for (const name of there) order[name] = null
    redacted++
    return true
  })
  const counts = { erased: deleted + redacted, held: undated, outcomes: [{ record: 'Order', deleted, redacted, stayed_for: [] }] }
  if (undated) return { ...counts, state: 'partial', reason: 'undated' }
  return counts.erased ? { ...counts, state: 'done' } : { state: 'not_found' }
}

function answers (message) {
  let command
  try { command = innsyn.opened(message) } catch (error) {
    if (error instanceof Refused) return [error.command, [{ state: 'failed', reason: error.message }]]
    throw error
  }
  if (command === null) return [null, []]
  const { command_id: id, attempt } = command, once = `${id}#${attempt}`
  if ((store.newest[id] ?? 0) > attempt) return [command, [{ state: 'failed', reason: 'superseded' }]]
  if (!store.outcomes[once]) {
    store.newest[id] = attempt
    store.outcomes[once] = command.records ? expire(command) : erase(command)
    save()
  }
  return [command, [{ state: 'accepted' }, store.outcomes[once]]]
}

const client = { clientId: 'innsyn-job', bootstrapBrokers: [bootstrap] }
const producer = new Producer(client), consumer = new Consumer({ ...client, groupId: `innsyn-erasure-${innsyn.system}` })
const stream = await consumer.consume({ topics: [`deletion.${innsyn.system}`], mode: 'committed', fallbackMode: 'earliest', autocommit: false })
process.once('SIGTERM', () => stream.close())
for await (const message of stream) {
  const [command, said] = answers(message.value ?? Buffer.alloc(0))
  for (const state of said) {
    const receipt = { topic: 'rights.receipts', key: Buffer.from(command.request_id), value: innsyn.receipt(command, state) }
    await producer.send({ messages: [receipt], acks: -1 })
  }
  await message.commit() // Only now: a job that dies before is told again, and answers the same.
}
await Promise.all([producer.close(), consumer.close(true)])
