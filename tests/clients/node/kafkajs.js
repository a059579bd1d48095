// kafkajs. Its consumers are always members of a group; those that read from an offset have a
// group of their own.

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = require('kafkajs')
const { version } = require('kafkajs/package.json')
const snappy = require('kafkajs-snappy')
const lz4 = require('lz4-napi')
const { ZstdCodec } = require('zstd-codec')
const { NotAvailable, check, main, pause, until } = require('./protocol')

const BEYOND = 1_000_000
const RETRY = { initialRetryTime: 20, maxRetryTime: 200, retries: 20 }

CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (buffer) => lz4.decompressFrame(buffer),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => {
  const codec = new Promise((resolve) =>
    ZstdCodec.run((zstd) => resolve(new zstd.Streaming())),
  )
  return {
    compress: async (encoder) => Buffer.from((await codec).compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from((await codec).decompress(buffer)),
  }
}

const makeClient = async (bootstrap, prefix) => {
  const kafka = new Kafka({
    clientId: 'kafkajs',
    brokers: [bootstrap],
    logLevel: logLevel.ERROR,
    logCreator: () => (entry) => console.error(JSON.stringify(entry.log)),
    retry: RETRY,
  })
  const admin = kafka.admin()
  await admin.connect()
  return { version: `kafkajs ${version}`, bootstrap, prefix, kafka, admin, groups: 0 }
}

// Helpers

/** Kafka's name for the code that is somewhere in an error of kafkajs. */
const codeOf = (error) => {
  if (error.type) return error.type
  const parts = [...(error.groups ?? []), ...(error.partitions ?? [])].map((part) => part.error)
  const inner = [error.cause, ...(error.errors ?? []), ...parts]
  return inner.filter(Boolean).map(codeOf)[0] ?? error.name
}

/** The code with which the broker refuses an action, or `NONE`. */
const refusal = async (action) => {
  try {
    await action()
    return 'NONE'
  } catch (error) {
    if (error instanceof NotAvailable) throw error
    return codeOf(error)
  }
}

const newTopic = async (client, name, numPartitions = 1, config = {}) => {
  const topic = client.prefix + name
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
  const topics = [{ topic, numPartitions, replicationFactor: 1, configEntries }]
  // kafkajs does not wait for long, and not for a topic that a busy broker does not know yet.
  check('created', await client.admin.createTopics({ topics, waitForLeaders: false }), true)
  await until(`leaders for ${topic}`, async () => {
    const found = await client.admin.fetchTopicMetadata({ topics: [topic] }).catch(() => null)
    const partitions = found?.topics[0].partitions ?? []
    return partitions.length === numPartitions && partitions.every(({ leader }) => leader >= 0)
  })
  return topic
}

const withProducer = async (client, options, work) => {
  const producer = client.kafka.producer({ allowAutoTopicCreation: false, ...options })
  await producer.connect()
  try {
    return await work(producer)
  } finally {
    await producer.disconnect()
  }
}

const send = async (producer, topic, messages, { partition = 0, acks = -1, compression } = {}) => {
  const placed = messages.map((message) => ({ ...message, partition }))
  const [answer] = await producer.send({ topic, messages: placed, acks, compression })
  return answer ? Number(answer.baseOffset) : null
}

const produce = (client, topic, messages, options = {}) =>
  withProducer(client, options.producer, (producer) => send(producer, topic, messages, options))

const numbered = (count, value = (number) => `value-${number}`) =>
  Array.from({ length: count }, (_, number) => ({
    key: Buffer.from(`key-${number}`),
    value: Buffer.from(value(number)),
  }))

/** A consumer in a group that keeps all that it is given. */
class Member {
  static async start(client, group, topic, { fromBeginning = true, ...options } = {}) {
    const member = new Member()
    member.received = []
    member.held = []
    member.consumer = client.kafka.consumer({
      groupId: group,
      heartbeatInterval: 300,
      sessionTimeout: 10_000,
      maxWaitTimeInMs: 500,
      allowAutoTopicCreation: false,
      ...options,
    })
    const { GROUP_JOIN, CRASH } = member.consumer.events
    member.consumer.on(GROUP_JOIN, ({ payload }) => {
      member.held = payload.memberAssignment[topic] ?? []
    })
    member.consumer.on(CRASH, ({ payload }) => {
      member.crash = payload.error
    })
    await member.consumer.connect()
    await member.consumer.subscribe({ topics: [topic], fromBeginning })
    await member.consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        member.received.push({ partition, arrived: Date.now(), ...message })
      },
    })
    return member
  }

  async take(count) {
    await until(`${count} records`, () => this.crash || this.received.length >= count)
    if (this.crash) throw this.crash
    return this.received.splice(0)
  }

  close() {
    return this.consumer.disconnect()
  }
}

/** Reads from an offset on, in a group of its own. */
const reader = async (client, topic, { at, partition = 0, ...options } = {}) => {
  client.groups += 1
  const group = `${client.prefix}reader-${client.groups}`
  const member = await Member.start(client, group, topic, options)
  if (at !== undefined) member.consumer.seek({ topic, partition, offset: String(at) })
  return member
}

const read = async (client, topic, count, options) => {
  const member = await reader(client, topic, options)
  try {
    const received = await member.take(count)
    check('records received', received.length, count)
    return received
  } finally {
    await member.close()
  }
}

const checkValues = (received, sent, firstOffset = 0) => {
  const offsets = received.map((record) => Number(record.offset))
  check('offsets', offsets, sent.map((_, at) => firstOffset + at))
  sent.forEach(({ key, value }, at) => {
    check(`key at ${offsets[at]}`, received[at].key, key)
    check(`value at ${offsets[at]}`, received[at].value, value)
  })
}

const bounds = async (client, topic) => {
  const [{ low, high }] = await client.admin.fetchTopicOffsets(topic)
  return [Number(low), Number(high)]
}

const deleteBefore = async (client, topic, offset) => {
  // kafkajs finds the leader of a topic only after it has looked at its offsets.
  await bounds(client, topic)
  const partitions = [{ partition: 0, offset: String(offset) }]
  await client.admin.deleteTopicRecords({ topic, partitions })
}

const committed = async (client, groupId, topic) => {
  const [{ partitions }] = await client.admin.fetchOffsets({ groupId, topics: [topic] })
  return partitions.length ? Number(partitions[0].offset) : -1
}

const TOPIC = 2

const config = async (client, name) => {
  const query = { includeSynonyms: false, resources: [{ type: TOPIC, name }] }
  const [{ configEntries }] = (await client.admin.describeConfigs(query)).resources
  const pairs = configEntries.map(({ configName, configValue }) => [configName, configValue])
  return Object.fromEntries(pairs)
}

/** The whole set is replaced: what is not named goes back to its default. */
const setConfig = (client, name, values) => {
  const configEntries = Object.entries(values).map(([name, value]) => ({ name, value }))
  const resources = [{ type: TOPIC, name, configEntries }]
  return client.admin.alterConfigs({ validateOnly: false, resources })
}

const untilShared = (members, partitions, what) =>
  until(what, () => {
    const held = members.map((member) => member.held)
    const sizes = held.map((each) => each.length)
    const all = held.flat().sort()
    return (
      Math.max(...sizes) - Math.min(...sizes) <= 1 &&
      all.length === partitions &&
      all.every((partition, at) => partition === at)
    )
  })

// Cases

const metadata = async (client) => {
  const topic = await newTopic(client, 'metadata', 3)
  const { brokers } = await client.admin.describeCluster()
  check('brokers', brokers.map(({ host, port }) => `${host}:${port}`), [client.bootstrap])
  const [{ nodeId }] = brokers
  const found = await client.admin.fetchTopicMetadata({ topics: [topic] })
  const partitions = found.topics[0].partitions.sort((a, b) => a.partitionId - b.partitionId)
  check('partitions', partitions.map(({ partitionId }) => partitionId), [0, 1, 2])
  for (const { leader, replicas, isr } of partitions) {
    check('leader, replicas and in sync', [leader, replicas, isr], [nodeId, [nodeId], [nodeId]])
  }
}

const topics = async (client, seen) => {
  const { admin } = client
  const topic = await newTopic(client, 'topics', 2, { 'retention.ms': '3600000' })
  check('listed', (await admin.listTopics()).includes(topic), true)
  const again = { topics: [{ topic, numPartitions: 1, replicationFactor: 1 }] }
  check('create again', await admin.createTopics(again), false)
  const refused = (more) =>
    refusal(() => admin.createTopics({ topics: [{ topic: `${topic}-2`, ...more }] }))
  seen['a name with a blank'] = await refused({ topic: `${topic} x` })
  seen['three replicas'] = await refused({ replicationFactor: 3 })
  seen['an unknown setting'] = await refused({
    configEntries: [{ name: 'no.such.setting', value: '1' }],
  })
  await admin.deleteTopics({ topics: [topic] })
  await until('the topic is gone', async () => !(await admin.listTopics()).includes(topic))
  seen['delete again'] = await refusal(() => admin.deleteTopics({ topics: [topic] }))
}

/** 1,000 records in blocks of one shape each. */
const allShapes = () => {
  const headers = [
    {},
    { a: Buffer.from('1') },
    { a: ['1', '2', '1'].map((text) => Buffer.from(text)), b: Buffer.from([255, 254, 0, 1]) },
    { empty: Buffer.alloc(0) },
  ]
  const begin = Date.now() - 60_000
  return Array.from({ length: 1000 }, (_, number) => {
    const block = Math.floor(number / 125)
    const nothing = () => (block < 4 ? null : Buffer.alloc(0))
    const body = Buffer.alloc((number % 5) * 200, number)
    return {
      key: number % 7 === 0 ? nothing() : Buffer.from([1, number >> 8, number & 255, 0xc3, 0x28]),
      value: number % 11 === 0 ? nothing() : Buffer.concat([Buffer.from(`${number}:`), body]),
      headers: headers[block % 4],
      timestamp: String(begin + number * 10),
    }
  })
}

const records = async (client, seen) => {
  const topic = await newTopic(client, 'records')
  const sent = allShapes()
  check('offset', await produce(client, topic, sent), 0)
  const received = await read(client, topic, 1000)
  checkValues(received, sent)
  sent.forEach(({ headers, timestamp }, at) => {
    check(`headers at ${at}`, received[at].headers, headers)
    check(`timestamp at ${at}`, received[at].timestamp, timestamp)
  })
  seen.end = (await bounds(client, topic))[1]
}

const codec = (name, compression) => async (client) => {
  const topic = await newTopic(client, `codec-${name}`)
  const sent = numbered(300, (number) => `${number} `.repeat(50))
  await produce(client, topic, sent, { compression })
  checkValues(await read(client, topic, 300), sent)
}

const idempotent = async (client, seen) => {
  const topic = await newTopic(client, 'flaky')
  const sent = numbered(500)
  const options = { idempotent: true, maxInFlightRequests: 1 }
  await withProducer(client, options, async (producer) => {
    for (let at = 0; at < 500; at += 25) await send(producer, topic, sent.slice(at, at + 25))
  })
  seen.end = (await bounds(client, topic))[1]
  check('end', (await bounds(client, topic))[1], 500)
  checkValues(await read(client, topic, 500), sent)
}

const groupResume = async (client) => {
  const [topic, group] = [await newTopic(client, 'resume'), `${client.prefix}resume`]
  const sent = numbered(100)
  await produce(client, topic, sent)
  let member = await Member.start(client, group, topic)
  checkValues(await member.take(100), sent)
  await member.consumer.commitOffsets([{ topic, partition: 0, offset: '40' }])
  await member.close()
  check('committed', await committed(client, group, topic), 40)
  member = await Member.start(client, group, topic)
  checkValues(await member.take(60), sent.slice(40), 40)
  await member.consumer.commitOffsets([{ topic, partition: 0, offset: '100' }])
  await member.close()
  check('committed', await committed(client, group, topic), 100)
}

const groupRebalance = async (client) => {
  const [topic, group] = [await newTopic(client, 'rebalance', 4), `${client.prefix}rebalance`]
  const stays = await Member.start(client, group, topic)
  const leaves = await Member.start(client, group, topic)
  await untilShared([stays, leaves], 4, 'two members share the partitions')
  for (const partition of [0, 1, 2, 3]) await produce(client, topic, numbered(5), { partition })
  await until('all records', () => stays.received.length + leaves.received.length === 20)
  check('records of one', stays.received.length, 10)
  await leaves.close()
  await untilShared([stays], 4, 'the other takes over')
  await stays.close()
}

const offsets = async (client, seen) => {
  const topic = await newTopic(client, 'offsets')
  const begin = Date.now() - 60_000
  const sent = numbered(100).map((message, number) => ({
    ...message,
    timestamp: String(begin + number * 10),
  }))
  await produce(client, topic, sent)
  const at = async (timestamp) =>
    Number((await client.admin.fetchTopicOffsetsByTimestamp(topic, timestamp))[0].offset)
  const [earliest, latest] = await bounds(client, topic)
  const found = {
    earliest,
    latest,
    'at a timestamp': await at(begin + 450),
    'between two timestamps': await at(begin + 455),
    'before all': await at(begin - 1000),
    'after all': await at(begin + 10_000),
  }
  Object.assign(seen, found)
  // kafkajs gives the end where there is no such record.
  check('offsets', Object.values(found), [0, 100, 45, 46, 0, 100])
}

const groupsAdmin = async (client, seen) => {
  const { admin } = client
  const [topic, group] = [await newTopic(client, 'admin'), `${client.prefix}admin`]
  const described = async () => {
    const { groups } = await admin.describeGroups([group])
    return [groups[0].errorCode, groups[0].state, groups[0].members.length]
  }
  const listed = async () =>
    (await admin.listGroups()).groups.some(({ groupId }) => groupId === group)
  const remove = () => refusal(() => admin.deleteGroups([group]))
  await produce(client, topic, numbered(10))
  const member = await Member.start(client, group, topic)
  await member.take(10)
  await member.consumer.commitOffsets([{ topic, partition: 0, offset: '7' }])
  check('while it is there', await described(), [0, 'Stable', 1])
  seen['delete while it is there'] = await remove()
  await member.close()
  await until('the group is empty', async () => (await described())[1] === 'Empty')
  check('listed', await listed(), true)
  check('committed', await committed(client, group, topic), 7)
  await admin.deleteGroups([group])
  check('listed after it was deleted', await listed(), false)
  check('committed after it was deleted', await committed(client, group, topic), -1)
  seen['delete again'] = await remove()
  seen['describe after it was deleted'] = (await described()).join(' ')
}

const configs = async (client, seen) => {
  const topic = await newTopic(client, 'configs', 1, { 'segment.ms': '7200000' })
  const before = await config(client, topic)
  for (const name of ['cleanup.policy', 'compression.type', 'max.message.bytes', 'retention.ms']) {
    seen[name] = before[name]
  }
  check('as created', before['segment.ms'], '7200000')
  const setting = (name, value) =>
    until(`${name} is ${value}`, async () => (await config(client, topic))[name] === value)
  await setConfig(client, topic, { 'retention.ms': '3600000' })
  await setting('retention.ms', '3600000')
  await setting('segment.ms', '604800000')
  const bad = {
    'no number': { 'retention.ms': 'soon' },
    'no such policy': { 'cleanup.policy': 'shred' },
    'no such setting': { 'no.such.setting': '1' },
  }
  for (const [name, values] of Object.entries(bad)) {
    seen[name] = await refusal(() => setConfig(client, topic, values))
    check(`${name} is refused`, seen[name] !== 'NONE', true)
  }
  await setting('retention.ms', '3600000')
  await setConfig(client, topic, {})
  await setting('retention.ms', before['retention.ms'])
  seen['an unknown topic'] = await refusal(() => config(client, `${client.prefix}no-such-topic`))
}

const createPartitions = async (client, seen) => {
  const topic = await newTopic(client, 'partitions')
  const create = (count, name = topic) =>
    client.admin.createPartitions({ topicPartitions: [{ topic: name, count }] })
  await create(3)
  await until('three led partitions', async () => {
    const found = await client.admin.fetchTopicMetadata({ topics: [topic] })
    const { partitions } = found.topics[0]
    return partitions.length === 3 && partitions.every(({ leader }) => leader >= 0)
  })
  await produce(client, topic, numbered(5), { partition: 2 })
  checkValues(await read(client, topic, 5), numbered(5))
  seen.fewer = await refusal(() => create(2))
  seen['as many'] = await refusal(() => create(3))
  seen['an unknown topic'] = await refusal(() => create(3, `${client.prefix}no-such-topic`))
}

const deleteRecords = async (client, seen) => {
  const topic = await newTopic(client, 'delete-records')
  const sent = numbered(100)
  await produce(client, topic, sent)
  await deleteBefore(client, topic, 30)
  check('bounds', await bounds(client, topic), [30, 100])
  checkValues(await read(client, topic, 70), sent.slice(30), 30)
  seen['beyond the end'] = await refusal(() => deleteBefore(client, topic, 101))
  await deleteBefore(client, topic, -1)
  check('bounds', await bounds(client, topic), [100, 100])
  check('next offset', await produce(client, topic, numbered(1)), 100)
}

const largeRecord = async (client, seen) => {
  const topic = await newTopic(client, 'large')
  const record = (key, bytes) => ({ key: Buffer.from(key), value: Buffer.alloc(bytes, key) })
  const [large, small] = [record('large', 900_000), record('small', 1)]
  await withProducer(client, { retry: { retries: 2 } }, async (producer) => {
    check('offset', await send(producer, topic, [large]), 0)
    seen['2 MB'] = await refusal(() => send(producer, topic, [record('2 MB', 2_000_000)]))
    check('2 MB', seen['2 MB'], 'MESSAGE_TOO_LARGE')
    check('offset behind it', await send(producer, topic, [small]), 1)
  })
  checkValues(await read(client, topic, 2), [large, small])
}

const seek = async (client) => {
  const topic = await newTopic(client, 'seek')
  await produce(client, topic, numbered(100))
  const member = await reader(client, topic)
  await member.take(100)
  for (const offset of [50, 10, 99]) {
    member.consumer.seek({ topic, partition: 0, offset: String(offset) })
    const received = await member.take(100 - offset)
    check(`after seek to ${offset}`, Number(received[0].offset), offset)
  }
  await produce(client, topic, numbered(1))
  check('what is new', Number((await member.take(1))[0].offset), 100)
  await member.close()
}

const outOfRange = async (client) => {
  const topic = await newTopic(client, 'out-of-range')
  const sent = numbered(10)
  await produce(client, topic, sent)
  checkValues(await read(client, topic, 10, { at: BEYOND }), sent)
  await deleteBefore(client, topic, 4)
  checkValues(await read(client, topic, 6, { at: 1 }), sent.slice(4), 4)
}

const readCommitted = async (client) => {
  const topic = await newTopic(client, 'read-committed')
  const sent = numbered(50)
  await produce(client, topic, sent)
  await produce(client, topic, sent, { producer: { idempotent: true } })
  const received = await read(client, topic, 100, { readUncommitted: false })
  checkValues(received, [...sent, ...sent])
}

const unknownTopic = async (client, seen) => {
  const topic = `${client.prefix}no-such-topic`
  const retry = { initialRetryTime: 20, retries: 2 }
  const admin = client.kafka.admin({ retry })
  await admin.connect()
  seen.metadata = await refusal(() => admin.fetchTopicMetadata({ topics: [topic] }))
  seen.delete = await refusal(() => admin.deleteTopics({ topics: [topic] }))
  seen.produce = await refusal(() =>
    produce(client, topic, numbered(1), { producer: { retry } }),
  )
  await admin.disconnect()
  check('listed', (await client.admin.listTopics()).includes(topic), false)
}

const cluster = async (client) => {
  const { brokers, controller, clusterId } = await client.admin.describeCluster()
  check('nodes', brokers.map(({ host, port }) => `${host}:${port}`), [client.bootstrap])
  check('the controller is a node', brokers[0].nodeId, controller)
  check('the cluster has an id', Boolean(clusterId), true)
}

/** A waiting fetch is answered when a record comes, not when its wait is over. */
const longPoll = async (client) => {
  const topic = await newTopic(client, 'long-poll')
  const member = await reader(client, topic, { maxWaitTimeInMs: 5000 })
  const delays = []
  await withProducer(client, {}, async (producer) => {
    for (let number = 0; number < 6; number += 1) {
      await send(producer, topic, numbered(1))
      const acknowledged = Date.now()
      const [{ arrived, offset }] = await member.take(1)
      check('offset', Number(offset), number)
      delays.push(arrived - acknowledged)
      // A fetch that waits for as long as this is under way.
      await pause(300)
    }
  })
  await member.close()
  // The first may have waited for the group; the machine may be busy: once has to be quick.
  const quickest = Math.min(...delays.slice(1))
  if (quickest > 100) throw new Error(`the quickest took ${quickest} ms`)
}

const acks = async (client) => {
  const topic = await newTopic(client, 'acks')
  await produce(client, topic, numbered(10), { acks: 0 })
  const there = async () => (await bounds(client, topic))[1] === 10
  await until('what nobody acknowledged is there', there)
  check('offset', await produce(client, topic, numbered(10), { acks: 1 }), 10)
  checkValues(await read(client, topic, 20), [...numbered(10), ...numbered(10)])
}

const notAvailable = (what) => async () => {
  throw new NotAvailable(what)
}

main(makeClient, {
  metadata,
  topics,
  records,
  'codec-gzip': codec('gzip', CompressionTypes.GZIP),
  'codec-snappy': codec('snappy', CompressionTypes.Snappy),
  'codec-lz4': codec('lz4', CompressionTypes.LZ4),
  'codec-zstd': codec('zstd', CompressionTypes.ZSTD),
  idempotent,
  'group-resume': groupResume,
  'group-rebalance': groupRebalance,
  'group-cooperative': notAvailable('kafkajs has no cooperative assignor'),
  'group-static': notAvailable('kafkajs has no group instance ids'),
  offsets,
  'groups-admin': groupsAdmin,
  configs,
  'create-partitions': createPartitions,
  'delete-records': deleteRecords,
  'large-record': largeRecord,
  seek,
  'out-of-range': outOfRange,
  'read-committed': readCommitted,
  'unknown-topic': unknownTopic,
  cluster,
  'long-poll': longPoll,
  acks,
})
