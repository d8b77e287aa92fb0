import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../test/support/eventually.ts'
import { startNats, startNatsLeaves, type NatsLeaves, type NatsServer } from '../../test/support/nats.ts'
import {
  AgreedDocument,
  NotAgreedError,
  NotReachableError,
  type Outcome,
  type Version,
} from './agreed-document.ts'
import { regionOf, type ReplicaId } from './transport.ts'

let server: NatsServer
let clusters = 0
beforeAll(async () => {
  server = await startNats()
})
afterAll(() => server.stop())

interface Member {
  readonly agreed: AgreedDocument
  readonly connection: NatsConnection
  readonly versions: Version[]
  readonly problems: string[]
  /** Documents that it does not accept. */
  readonly refused: Set<unknown>
}

interface Place {
  readonly cluster: string
  readonly server: NatsServer
  readonly domain?: string
}

async function member(
  { cluster, server: at, domain }: Place,
  replica: ReplicaId,
  others: readonly ReplicaId[],
): Promise<Member> {
  const connection = await connect({ servers: at.url })
  const versions: Version[] = []
  const problems: string[] = []
  const refused = new Set<unknown>()
  const agreed = await AgreedDocument.open({
    connection,
    cluster,
    domain,
    replica,
    judge: (document) => (refused.has(document) ? [`${String(document)} is not for me`] : []),
    others: () => others.filter((other) => other !== replica),
    onVersion: (version) => versions.push(version),
    onProblem: (problem) => problems.push(problem),
  })
  onTestFinished(async () => {
    agreed.close()
    await connection.close()
  })
  return { agreed, connection, versions, problems, refused }
}

const replicas = ['us/0', 'eu/0', 'ap/0'] as const

async function three(): Promise<{ cluster: string; us: Member; eu: Member; ap: Member }> {
  const cluster = `agree${++clusters}`
  const [us, eu, ap] = await Promise.all(
    replicas.map((replica) => member({ cluster, server }, replica, replicas)),
  )
  return { cluster, us: us!, eu: eu!, ap: ap! }
}

const propose = ({ agreed }: Member, document: unknown, own: { dryRun?: boolean } = {}): Promise<Outcome> =>
  agreed.propose({ document, by: 'on-call', note: '', at: '2027-01-01T00:00:00Z', dryRun: false, ...own })

const documents = ({ versions }: Member): unknown[] => versions.map(({ document }) => document)

describe('a document that is changed in all replicas or in none', () => {
  test('what all agree to is in force in all when it is answered', async () => {
    const { us, eu, ap } = await three()
    const outcome = await propose(us, 'a')
    expect(outcome).toMatchObject({ version: { version: 1, document: 'a' }, applied: replicas, pending: [] })
    await propose(ap, 'b')
    for (const one of [us, eu, ap]) expect(documents(one)).toEqual(['a', 'b'])
    expect((await eu.agreed.history()).map(({ version, document }) => [version, document])).toEqual([
      [1, 'a'],
      [2, 'b'],
    ])
  })

  test('what one refuses is in force in none, and it is said who refused and why', async () => {
    const { us, eu, ap } = await three()
    ap.refused.add('bad')
    await expect(propose(us, 'bad')).rejects.toThrow(new NotAgreedError(['ap/0: bad is not for me']))
    us.refused.add('worse')
    await expect(propose(us, 'worse')).rejects.toThrow(new NotAgreedError(['worse is not for me']))
    for (const one of [us, eu, ap]) expect(documents(one)).toEqual([])
    expect(await us.agreed.history()).toEqual([])
  })

  test('while one does not answer nothing is changed', async () => {
    const { us, eu, ap } = await three()
    await ap.connection.close()
    await expect(propose(us, 'a')).rejects.toThrow(new NotAgreedError(['ap/0 did not answer']))
    for (const one of [us, eu]) expect(documents(one)).toEqual([])
  })

  test('who has ended is not asked, and is asked again after its next start', async () => {
    const { cluster, us, eu, ap } = await three()
    ap.agreed.close()
    await ap.connection.drain()
    await eventually(async () => expect(await propose(us, 'a')).toMatchObject({ applied: ['us/0', 'eu/0'] }))
    expect(documents(eu)).toEqual(['a'])
    const again = await member({ cluster, server }, 'ap/0', replicas)
    again.refused.add('b')
    await eventually(async () => {
      await expect(propose(us, 'b', { dryRun: true })).rejects.toThrow('ap/0: b is not for me')
    })
  })

  test('a dry run asks all and changes nothing', async () => {
    const { us, eu } = await three()
    expect(await propose(us, 'a', { dryRun: true })).toMatchObject({ version: undefined })
    eu.refused.add('b')
    await expect(propose(us, 'b', { dryRun: true })).rejects.toThrow('eu/0: b is not for me')
    expect(await us.agreed.history()).toEqual([])
  })

  test('of two at once one wins, everywhere the same', async () => {
    const { us, eu, ap } = await three()
    const outcomes = await Promise.allSettled([propose(us, 'of us'), propose(eu, 'of eu')])
    const history = await ap.agreed.history()
    await eventually(() => {
      for (const one of [us, eu, ap]) expect(documents(one)).toEqual(history.map(({ document }) => document))
    })
    const won = outcomes.filter(({ status }) => status === 'fulfilled')
    expect(history).toHaveLength(won.length)
    expect(won.length).toBeGreaterThan(0)
  })

  test('who starts later has the newest from the start', async () => {
    const { cluster, us } = await three()
    await propose(us, 'a')
    await propose(us, 'b')
    const late = await member({ cluster, server }, 'us/1', replicas)
    expect(late.agreed.current).toMatchObject({ version: 2, document: 'b' })
    expect(documents(late)).toEqual(['b'])
  })

  test('a version that a replica can not put in force is told, and the one before stays', async () => {
    const { cluster, us } = await three()
    await propose(us, 'a')
    const old = await member({ cluster, server }, 'us/1', [])
    old.refused.add('b')
    await propose(us, 'b')
    await eventually(() =>
      expect(old.problems).toEqual(["version 2 can't be put in force here: b is not for me"]),
    )
    expect(old.agreed.current).toMatchObject({ document: 'a' })
  })
})

describe('behind leaf nodes, in the JetStream of their domain', () => {
  let nats: NatsLeaves
  beforeAll(async () => {
    nats = await startNatsLeaves(['us', 'eu', 'ap'])
  })
  afterAll(() => nats.stop())

  /** A replica of a region, at its leaf node. */
  const at = (replica: ReplicaId): Promise<Member> =>
    member(
      { cluster: 'leaf', server: nats.leaves.get(regionOf(replica))!, domain: nats.domain },
      replica,
      replicas,
    )

  test('a document is in force in all regions or in none, and who starts later has it', async () => {
    const [us, eu, ap] = await Promise.all(replicas.map(at))
    // JetStream may have begun later than they, who then have tried in vain.
    for (const one of [us!, eu!, ap!]) {
      await eventually(() => one.agreed.history())
      one.problems.length = 0
    }
    expect(await propose(us!, 'a')).toMatchObject({ version: { version: 1 }, applied: replicas, pending: [] })
    eu!.refused.add('bad')
    await expect(propose(ap!, 'bad')).rejects.toThrow(new NotAgreedError(['eu/0: bad is not for me']))
    for (const one of [us!, eu!, ap!]) expect([documents(one), one.problems]).toEqual([['a'], []])
    const late = await at('ap/1')
    expect(late.agreed.current).toMatchObject({ version: 1, document: 'a' })
  })
})

test('who was away follows when the server is back; meanwhile nothing can be proposed', async () => {
  const own = await startNats()
  onTestFinished(() => own.stop())
  const connection = await connect({ servers: own.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
  const versions: Version[] = []
  const open = (replica: ReplicaId): Promise<AgreedDocument> =>
    AgreedDocument.open({
      connection,
      cluster: 'away',
      replica,
      judge: () => [],
      others: () => [],
      onVersion: (version) => versions.push(version),
      onProblem: () => {},
    })
  const agreed = await open('us/0')
  onTestFinished(async () => {
    agreed.close()
    await connection.close()
  })
  const proposal = { by: 'x', note: '', at: '', dryRun: false }
  await agreed.propose({ ...proposal, document: 'a' })
  await own.kill()
  await expect(agreed.propose({ ...proposal, document: 'b' })).rejects.toThrow(NotReachableError)
  await own.restart()
  await eventually(() => agreed.propose({ ...proposal, document: 'c' }))
  expect(versions.at(-1)).toMatchObject({ document: 'c' })
})
