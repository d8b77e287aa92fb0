import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import { BlockList, isIP } from 'node:net'
import { headerOf } from './header.ts'

export interface ProxyOptions {
  /** IP addresses and subnets whose word is believed. */
  readonly trustedProxies: readonly string[]
  /** Where they say who called them; the other header is ignored, because a proxy that sets one passes on the other. */
  readonly clientAddressHeader: 'x-forwarded-for' | 'forwarded'
}

/** Proxies in a row that are looked through at most. */
const hopsMax = 32

/**
 * The address that a request comes from: the one that connects, or, if that is a trusted proxy's, the last that such proxies name
 * and that is none of theirs. What stands further left anybody may have written. (RFC 7239, 5.2 and 8.1)
 */
export function clientAddress(options: ProxyOptions): (context: Context) => string {
  const trusted = new BlockList()
  for (const subnet of options.trustedProxies) {
    const [address = '', bits] = subnet.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) trusted.addAddress(address, family)
    else trusted.addSubnet(address, Number(bits), family)
  }
  const isTrusted = (address: string): boolean =>
    trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  return (context) => {
    const { incoming }: Partial<HttpBindings> = context.env ?? {}
    let address = incoming?.socket.remoteAddress ?? ''
    if (options.trustedProxies.length === 0 || !isIP(address) || !isTrusted(address)) return address
    const named = headerOf(context, options.clientAddressHeader)?.split(',') ?? []
    for (const element of named.slice(-hopsMax).toReversed()) {
      const next = addressIn(options.clientAddressHeader === 'forwarded' ? forParameter(element) : element)
      // Hidden or made up: what the proxy before it said is all that is known.
      if (next === undefined) return address
      address = next
      if (!isTrusted(address)) return address
    }
    return address
  }
}

/** What buckets of addresses count: an IPv4 address, or the first 64 bits of one of IPv6, which is what one customer has. */
export function addressBlock(address: string): string {
  if (isIP(address) !== 6) return address
  const groups = groupsOf(address)
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (!isMapped)
    return `${groups
      .slice(0, 4)
      .map((group) => group.toString(16))
      .join(':')}::/64`
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join('.')
}

/** The eight groups of an IPv6 address in any notation of RFC 4291, 2.2. */
function groupsOf(address: string): number[] {
  const [head = '', tail] = address.split('%', 1)[0]!.split('::').map(partsOf)
  const [left, right] = [head || [], tail ?? []]
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right]
}

function partsOf(text: string): number[] {
  return text.split(':').flatMap((part) => {
    if (part === '') return []
    if (!part.includes('.')) return [Number.parseInt(part, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
}

/** The node that an element of the header `Forwarded` is for. */
function forParameter(element: string): string {
  for (const pair of element.split(';')) {
    const [name = '', value = ''] = pair.split('=', 2)
    if (name.trim().toLowerCase() === 'for') return value.trim().replace(/^"([^"]*)"$/, '$1')
  }
  return ''
}

/** An IP address that may have a port and brackets. */
function addressIn(text: string): string | undefined {
  const host = text.trim()
  const bare = host.startsWith('[') ? host.slice(1, host.indexOf(']')) : host
  const address = isIP(bare) ? bare : bare.slice(0, bare.lastIndexOf(':'))
  return isIP(address) ? address : undefined
}
