import type { Context } from 'hono'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressBlock, clientAddress, type ProxyOptions } from './client-address.ts'

function addressOf(
  remoteAddress: string,
  headers: Record<string, string>,
  own: Partial<ProxyOptions> = {},
): string {
  const options = { trustedProxies: [], clientAddressHeader: 'x-forwarded-for' as const, ...own }
  const env = { incoming: { socket: { remoteAddress }, headers } }
  return clientAddress(options)({ env } as unknown as Context)
}

const behind = { trustedProxies: ['10.0.0.0/8', 'fd00::/8'] }

describe('the address of a caller', () => {
  test('is the one that connects, whatever headers say, unless proxies are configured', () => {
    const forged = { 'x-forwarded-for': '1.1.1.1', forwarded: 'for=1.1.1.1' }
    expect(addressOf('203.0.113.7', forged)).toBe('203.0.113.7')
    expect(addressOf('203.0.113.7', forged, behind)).toBe('203.0.113.7')
  })

  test.each([
    ['what the proxy says', '198.51.100.1', '198.51.100.1'],
    ['not what the caller said before it', '1.1.1.1, 198.51.100.1', '198.51.100.1'],
    ['through several proxies', '1.1.1.1, 198.51.100.1, 10.2.3.4, 10.9.9.9', '198.51.100.1'],
    ['with a port', '198.51.100.1:4711', '198.51.100.1'],
    ['IPv6', '2001:db8::1', '2001:db8::1'],
    ['IPv6 with brackets and a port', '[2001:db8::1]:4711', '2001:db8::1'],
    ['no address: the proxy', 'unknown', '10.0.0.1'],
    ['made up behind a proxy: that proxy', '"; drop, 10.2.3.4', '10.2.3.4'],
    ['nothing: the proxy', '', '10.0.0.1'],
  ])('X-Forwarded-For, %s', (_what, header, expected) => {
    expect(addressOf('10.0.0.1', { 'x-forwarded-for': header }, behind)).toBe(expected)
  })

  test.each([
    ['for=192.0.2.60;proto=http;by=203.0.113.43', '192.0.2.60'],
    ['For="[2001:db8:cafe::17]:4711"', '2001:db8:cafe::17'],
    ['for=1.1.1.1, for=192.0.2.60', '192.0.2.60'],
    ['for="unterminated, for=192.0.2.60', '192.0.2.60'],
    ['for=_hidden', '10.0.0.1'],
    ['proto=https', '10.0.0.1'],
  ])('Forwarded, %s', (header, expected) => {
    const own = { ...behind, clientAddressHeader: 'forwarded' as const }
    expect(addressOf('10.0.0.1', { forwarded: header, 'x-forwarded-for': '9.9.9.9' }, own)).toBe(expected)
  })

  test('whatever comes before the last untrusted address changes nothing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (forged) => {
        const header = { 'x-forwarded-for': `${forged}, 198.51.100.1` }
        expect(addressOf('::ffff:10.0.0.1', header, behind)).toBe('198.51.100.1')
      }),
    )
  })
})

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::ffff:c000:201', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::', '2001:db8:1:2::/64'],
  ['2001:0db8:0001:0002:ffff::1', '2001:db8:1:2::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['', ''],
])('%s counts as %s', (address, block) => {
  expect(addressBlock(address)).toBe(block)
})
