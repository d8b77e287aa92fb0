import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@nats-io/transport-node'
import { expect, onTestFinished, test } from 'vitest'
import { makeAuthority } from '../../../test/support/certificates.ts'
import { eventually } from '../../../test/support/eventually.ts'
import { freePort } from '../../../test/support/free-port.ts'
import { startNats } from '../../../test/support/nats.ts'
import { leafConfig } from './nats-leaf.ts'

test("a leaf with the Secret's certificate joins a hub that asks for one; one without does not", async () => {
  const directory = await mkdtemp(join(tmpdir(), 'openclaw-leaf-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const issue = makeAuthority(directory)
  const [ofHub, ofLeaf] = [issue('hub'), issue('leaf')]
  const port = await freePort()
  const hub = await startNats({
    more: `leafnodes { listen: "127.0.0.1:${port}", tls { cert_file: "${ofHub.certFile}", key_file: "${ofHub.keyFile}", ca_file: "${ofHub.caFile}", verify: true } }`,
  })
  onTestFinished(() => hub.stop())

  const leafOf = async (secrets: Parameters<typeof leafConfig>[1], name: string): Promise<string> => {
    // Of the file in a pod only what says which hub, and who it is there.
    const [more] = /leafnodes \{[\s\S]*\}\n/.exec(leafConfig(`tls://127.0.0.1:${port}`, secrets))!
    const here = more
      .replace('/etc/nats-leaf-tls/tls.crt', ofLeaf.certFile)
      .replace('/etc/nats-leaf-tls/tls.key', ofLeaf.keyFile)
      .replace('/etc/nats-leaf-tls/ca.crt', ofLeaf.caFile)
    const leaf = await startNats({ name, jetStream: false, more: here })
    onTestFinished(() => leaf.stop())
    return leaf.url
  }
  const [known, unknown, atHub] = await Promise.all(
    [await leafOf({ nats_leaf_tls_secret: 'leaf' }, 'known'), await leafOf({}, 'unknown'), hub.url].map(
      (servers) => connect({ servers }),
    ),
  )
  onTestFinished(async () => {
    await Promise.all([known!.close(), unknown!.close(), atHub!.close()])
  })
  const heard: string[] = []
  for (const [name, connection] of [
    ['known', known!],
    ['unknown', unknown!],
  ] as const)
    connection.subscribe('news', { callback: () => void heard.push(name) })
  await eventually(() => {
    atHub!.publish('news')
    expect(heard).toContain('known')
  })
  expect(heard).not.toContain('unknown')
})
