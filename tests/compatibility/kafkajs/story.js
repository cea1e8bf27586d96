// The story through kafkajs: `node story.js BOOTSTRAP PREFIX [CHAPTER...]`; the variable KAFKAJS names
// the package, as there is an old and a new one.
'use strict'

const { spawn } = require('node:child_process')
const snappy = require('snappyjs')
const kafkajs = require(process.env.KAFKAJS)
const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, Partitioners, logLevel } = kafkajs

const [, , bootstrap, prefix, ...chosen] = process.argv
const [ORDERS, CODECS, SHARED, GROUP] = ['orders', 'codecs', 'shared', 'group'].map(name => `${prefix}-${name}`)
const EPOCH = 1_700_000_000_000
const REPLICAS = Number(process.env.REPLICAS)
const LIMIT = 60_000

// kafkajs brings gzip; other codecs are plugged in as its documentation says. Those for lz4 and zstd
// are not JavaScript, or write frames that Kafka refuses.
CompressionCodecs[CompressionTypes.Snappy] = () => ({
  compress: async encoder => snappy.compress(encoder.buffer),
  decompress: async buffer => unframed(buffer),
})

/** Snappy as Java frames it in blocks, or one bare block. */
function unframed(buffer) {
  if (buffer.subarray(1, 7).toString() !== 'SNAPPY') return snappy.uncompress(buffer)
  const blocks = []
  for (let at = 16; at < buffer.length;) {
    const size = buffer.readInt32BE(at)
    blocks.push(snappy.uncompress(buffer.subarray(at + 4, at + 4 + size)))
    at += 4 + size
  }
  return Buffer.concat(blocks)
}

// The first major version has one value for each name, and one partitioner fewer.
const repeatsHeaders = 'LegacyPartitioner' in Partitioners

function kafka(options = {}) {
  return new Kafka({ brokers: [bootstrap], clientId: 'story', logLevel: logLevel.NOTHING, retry: { retries: 2 }, ...options })
}

const admin = kafka().admin()
const partitioner = Partitioners.JavaCompatiblePartitioner

function fact(name, ...values) {
  const text = value => (typeof value === 'string' ? value : JSON.stringify(value))
  console.log(`${name}: ${values.map(text).join(' ')}`)
}

/** Prints how an action fails; that it does not fail is a fact too. */
async function refused(name, action) {
  try {
    fact(name, 'accepted', await action())
  } catch (error) {
    const causes = (error.errors || error.groups || [])
      .map(cause => `${(cause.error || cause).type} ${(cause.error || cause).message}`)
    fact(name, error.name, error.type || '', error.message, causes)
  }
}

async function waitUntil(name, condition) {
  const deadline = Date.now() + LIMIT
  while (!(await condition())) {
    if (Date.now() > deadline) {
      fact(name, 'did not happen')
      process.exit(1)
    }
    await new Promise(resume => setTimeout(resume, 20)) // lets the consumers work
  }
}

const create = (topic, numPartitions, configs = {}, replicationFactor = REPLICAS) => admin.createTopics({
  waitForLeaders: false, // it fails when the broker has not heard of the topic yet
  topics: [{ topic, numPartitions, replicationFactor, configEntries: Object.entries(configs).map(([name, value]) => ({ name, value })) }],
})

const ownTopics = async () => (await admin.listTopics()).filter(name => name.startsWith(prefix)).sort()

async function topics() {
  await create(ORDERS, 3, { 'retention.ms': '-1', 'max.message.bytes': '20000' })
  await create(CODECS, 1)
  await create(SHARED, 6)
  await waitUntil('topics', async () => (await ownTopics()).length === 3)
  await refused('create again', () => create(ORDERS, 3))
  await refused('create with an unknown config', () => create(`${prefix}-bad`, 1, { retention: '1' }))
  await refused('create with a wrong config', () => create(`${prefix}-bad`, 1, { 'retention.ms': 'soon' }))
  await refused('create with too many replicas', () => create(`${prefix}-bad`, 1, {}, 4))
  await refused('create with no partitions', () => create(`${prefix}-bad`, 0))
  await refused('create with a wrong name', () => create(`${prefix} bad`, 1))
  fact('topics', await ownTopics())
  const cluster = await admin.describeCluster()
  fact('cluster', cluster.brokers, cluster.controller)
  for (const topic of (await admin.fetchTopicMetadata({ topics: [ORDERS] })).topics) {
    topic.partitions.sort((a, b) => a.partitionId - b.partitionId)
    fact('topic', topic)
  }
  await refused('describe an unknown topic', () => admin.fetchTopicMetadata({ topics: [`${prefix}-unknown`] }))
}

async function configs() {
  const resource = name => ({ type: ConfigResourceTypes.TOPIC, name })
  const describe = async () => (await admin.describeConfigs({ resources: [resource(ORDERS)], includeSynonyms: true })).resources[0]
  for (const entry of (await describe()).configEntries.sort((a, b) => (a.configName < b.configName ? -1 : 1))) {
    fact('config', entry.configName, entry)
  }
  const alter = (name, configEntries) => admin.alterConfigs({ validateOnly: false, resources: [{ ...resource(name), configEntries }] })
  await alter(ORDERS, [{ name: 'retention.ms', value: '-1' }, { name: 'max.message.bytes', value: '20000' }, { name: 'segment.ms', value: '3600000' }])
  await waitUntil('the change', async () => (await describe()).configEntries.some(entry => entry.configValue === '3600000' && !entry.isDefault))
  fact('altered', (await describe()).configEntries.filter(entry => !entry.isDefault).map(entry => `${entry.configName}=${entry.configValue}`).sort())
  await refused('alter with a wrong value', () => alter(ORDERS, [{ name: 'retention.ms', value: 'soon' }]))
  await refused('configs of an unknown topic', () => admin.describeConfigs({ resources: [resource(`${prefix}-unknown`)] }))
  await admin.createPartitions({ topicPartitions: [{ topic: ORDERS, count: 4 }] })
  await waitUntil('more partitions', async () => (await admin.fetchTopicOffsets(ORDERS)).length === 4)
  await refused('fewer partitions', () => admin.createPartitions({ topicPartitions: [{ topic: ORDERS, count: 2 }] }))
}

async function withProducer(options, work) {
  const producer = kafka().producer({ createPartitioner: partitioner, ...options })
  await producer.connect()
  try {
    return await work(producer)
  } finally {
    await producer.disconnect()
  }
}

async function produce() {
  await withProducer({}, async producer => {
    const send = (...messages) => producer.send({ topic: ORDERS, messages })
    for (let n = 0; n < 8; n++) {
      const headers = n % 4 === 0 ? { h: repeatsHeaders ? ['one', 'two'] : 'one', single: Buffer.from('three') } : undefined
      const sent = await send({ key: `key-${n % 5}`, value: `value ${n}`, timestamp: `${EPOCH + n * 1000}`, headers })
      fact('keyed', n, sent)
    }
    fact('no key', await send({ value: 'alone', partition: 0, timestamp: `${EPOCH + 8000}` }))
    fact('tombstone', await send({ key: 'key-1', value: null, partition: 0, timestamp: `${EPOCH + 9000}` }))
    fact('empty', await send({ key: '', value: '', partition: 0, timestamp: `${EPOCH + 10000}` }))
    await refused('too large', () => send({ value: 'x'.repeat(50_000), partition: 0 }))
    await refused('unknown topic', () => producer.send({ topic: `${prefix}-unknown`, messages: [{ value: 'lost' }] }))
  })
  for (const codec of ['None', 'GZIP', 'Snappy']) {
    for (const acks of [0, 1, -1, 'idempotent']) await produceWith(codec, acks)
  }
}

async function produceWith(codec, acks) {
  const idempotent = acks === 'idempotent'
  const start = await end(CODECS)
  const messages = Array.from({ length: 20 }, (_, n) => ({ value: `${codec} ${acks} ${n} `.repeat(20), partition: 0 }))
  const options = { topic: CODECS, acks: idempotent ? -1 : acks, compression: CompressionTypes[codec], messages }
  await withProducer({ idempotent, maxInFlightRequests: 1 }, async producer => {
    const sent = await producer.send(options)
    await waitUntil('delivery', async () => (await end(CODECS)) === start + 20)
    fact('codec', codec, 'acks', acks, sent, 'up to', start + 20)
  })
}

async function end(topic) {
  const offsets = await admin.fetchTopicOffsets(topic)
  return Number(offsets.find(offset => offset.partition === 0).high)
}

const shown = buffer => (buffer === null ? null : buffer.toString())

/** kafkajs consumes only as a group: one of its own reads the topic, from the offsets of `seeks` on. */
async function read(group, topic, count, seeks = []) {
  const consumer = kafka().consumer({ groupId: `${prefix}-${group}`, maxWaitTimeInMs: 200 })
  const records = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => { records.push({ partition, ...message }) },
  })
  for (const offset of seeks) consumer.seek({ topic, partition: 0, offset })
  const first = Number(seeks[0] || 0)
  await waitUntil('records', () => records.filter(record => Number(record.offset) >= first).length >= count)
  await consumer.disconnect()
  return records.sort((a, b) => a.partition - b.partition || Number(a.offset) - Number(b.offset))
}

async function consume() {
  for (const record of await read('reader', ORDERS, 11)) {
    const headers = Object.entries(record.headers).map(([name, values]) => [name, [values].flat().map(shown)])
    fact('record', `${record.partition}@${record.offset}`, shown(record.key), shown(record.value), headers, record.timestamp)
  }
  const records = await read('codecs', CODECS, 240)
  fact('codecs', records.length, new Set(records.map(record => record.value.toString())).size, records.every((record, n) => record.offset === `${n}`))
  const from = (await read('seeker', CODECS, 163, ['77'])).filter(record => Number(record.offset) >= 77)
  fact('from an offset', from.length, from[0].offset)
  const byPartition = offsets => offsets.sort((a, b) => a.partition - b.partition)
  fact('offsets', byPartition(await admin.fetchTopicOffsets(ORDERS)))
  for (const time of [EPOCH + 8500, EPOCH + 3_600_000]) {
    fact('offsets at', time, byPartition(await admin.fetchTopicOffsetsByTimestamp(ORDERS, time)))
  }
  await refused('offsets of an unknown topic', () => admin.fetchTopicOffsets(`${prefix}-unknown`))
  await refused('subscribe to an unknown topic', () => subscribeToUnknown())
}

async function subscribeToUnknown() {
  const consumer = kafka().consumer({ groupId: `${prefix}-unknown-reader`, allowAutoTopicCreation: false })
  await consumer.connect()
  try {
    await consumer.subscribe({ topic: `${prefix}-unknown`, fromBeginning: true })
    await consumer.run({ eachMessage: async () => {} })
  } finally {
    await consumer.disconnect()
  }
}

/** A member of a group that knows its share and what it has seen. */
class Member {
  constructor(groupId = GROUP) {
    this.seen = new Set()
    this.share = 0
    this.offsets = new Map()
    this.consumer = kafka({ clientId: 'member' }).consumer({ groupId, maxWaitTimeInMs: 200, sessionTimeout: 6000, heartbeatInterval: 500, rebalanceTimeout: 10_000 })
    this.consumer.on(this.consumer.events.GROUP_JOIN, event => { this.share = (event.payload.memberAssignment[SHARED] || []).length })
    this.consumer.on(this.consumer.events.REBALANCING, () => { this.share = 0 })
  }

  async join() {
    await this.consumer.connect()
    await this.consumer.subscribe({ topic: SHARED, fromBeginning: true })
    await this.consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        this.seen.add(`${partition}@${message.offset} ${message.value}`)
        this.offsets.set(partition, `${Number(message.offset) + 1}`)
      },
    })
    return this
  }

  commit() {
    return this.consumer.commitOffsets([...this.offsets].map(([partition, offset]) => ({ topic: SHARED, partition, offset, metadata: 'noted' })))
  }
}

const sorted = values => [...values].sort()

async function groups() {
  await fill('first', 12)
  const members = await Promise.all([new Member().join(), new Member().join()])
  const killed = spawn(process.execPath, [__filename, bootstrap, prefix, 'member'], { stdio: 'ignore' })
  await waitUntil('three members', () => members.every(member => member.share === 2))
  await describeGroup('three members')
  await refused('delete a group with members', () => admin.deleteGroups([GROUP]))
  killed.kill('SIGKILL')
  const seen = () => new Set(members.flatMap(member => [...member.seen]))
  await waitUntil('the others take over', () => members.every(member => member.share === 3) && seen().size === 12)
  await describeGroup('one was killed')
  fact('seen', sorted(seen()))
  await Promise.all(members.map(member => member.consumer.disconnect()))
  await describeGroup('all left')
  await commitAndResume()
  await administer()
}

const fill = (word, count) => withProducer({}, async producer => {
  for (let n = 0; n < count; n++) await producer.send({ topic: SHARED, messages: [{ value: `${word} ${n}`, partition: n % 6 }] })
})

async function describeGroup(name, groupId = GROUP) {
  const { groups: [group] } = await admin.describeGroups([groupId])
  const members = group.members.map(member => `${member.clientId} ${member.clientHost} ${member.memberAssignment.length} bytes`).sort()
  fact(name, group.errorCode, group.state, group.protocolType, group.protocol, members)
}

async function commitAndResume() {
  const first = await new Member().join()
  await waitUntil('all records', () => first.seen.size === 12)
  await offsets('nothing committed')
  await first.commit()
  await offsets('committed')
  await first.consumer.disconnect()
  await fill('second', 6)
  const second = await new Member().join()
  await waitUntil('the new records', () => second.seen.size === 6)
  fact('resumed', sorted(second.seen))
  await second.consumer.disconnect()
}

async function offsets(name) {
  let fetched
  try {
    fetched = (await admin.fetchOffsets({ groupId: GROUP, topics: [SHARED] }))[0].partitions
  } catch (_) { // the old package takes one topic
    fetched = await admin.fetchOffsets({ groupId: GROUP, topic: SHARED })
  }
  fact(name, fetched.sort((a, b) => a.partition - b.partition))
}

async function administer() {
  const { groups: listed } = await admin.listGroups()
  fact('groups', listed.filter(group => group.groupId === GROUP))
  await describeGroup('unknown group', `${prefix}-none`)
  await admin.setOffsets({ groupId: GROUP, topic: SHARED, partitions: [{ partition: 0, offset: '1' }] })
  await offsets('moved')
  await admin.resetOffsets({ groupId: GROUP, topic: SHARED, earliest: true })
  await offsets('reset')
  await refused('delete a group', () => admin.deleteGroups([GROUP]))
  await refused('delete it again', () => admin.deleteGroups([GROUP]))
}

async function farewell() {
  await refused('delete records', () => admin.deleteTopicRecords({ topic: ORDERS, partitions: [{ partition: 0, offset: '3' }] }))
  fact('after deleting records', (await admin.fetchTopicOffsets(ORDERS)).find(offset => offset.partition === 0))
  await admin.deleteTopics({ topics: [ORDERS, CODECS, SHARED] })
  await refused('delete an unknown topic', () => admin.deleteTopics({ topics: [`${prefix}-unknown`] }))
  await waitUntil('no topics', async () => (await ownTopics()).length === 0)
}

async function tell(chapters) {
  await admin.connect()
  for (const [name, chapter] of Object.entries(chapters)) {
    if (chosen.length === 0 || chosen.includes(name)) {
      fact('chapter', name)
      await chapter()
    }
  }
  fact('end', 'of the story')
  process.exit(0)
}

const story = chosen[0] === 'member' ? new Member().join() : tell({ topics, configs, produce, consume, groups, farewell })
story.catch(error => {
  fact('failed', error.stack)
  process.exit(1)
})
