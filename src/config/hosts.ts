import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
const hostName = new RegExp(`^(?=.{1,253}$)${label}(?:\\.${label})*$`, 'i')

/** An IP address (RFC 4291 §2.2 for IPv6, without brackets) or a host name (RFC 1123 §2.1). */
export function isHost(text: string): boolean {
  return isIP(text) !== 0 || hostName.test(text)
}

/** An IP address, or a subnet in the notation of RFC 4632 and RFC 4291. */
export function isSubnet(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0 || address.includes('%')) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

/** Whether a server that listens on this host is reached from its own machine only. */
export function isLoopback(host: string): boolean {
  const family = isIP(host)
  if (family === 0) return host.toLowerCase() === 'localhost'
  return loopback.check(host, family === 6 ? 'ipv6' : 'ipv4')
}

/** A `postgres://` URL, with one host or several separated by commas. */
export function parsePostgresUrl(text: string): URL | undefined {
  // The URL standard knows one host only; the others have no part in what is checked here.
  const oneHost = text.replace(/^(\w+:\/\/(?:[^/?#@]*@)?[^/?#@,]*),[^/?#]*/, '$1')
  const url = URL.parse(oneHost)
  return url && /^postgres(?:ql)?:$/.test(url.protocol) && url.hostname !== '' ? url : undefined
}

/** Where keys are fetched from: over TLS, or from this machine; without credentials, which would end up in logs. */
export function isKeySetUrl(text: string): boolean {
  const url = URL.parse(text)
  if (!url || url.username !== '' || url.password !== '') return false
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(host))
}

/** A NATS server, without credentials: those have files of their own. */
export function isNatsUrl(text: string): boolean {
  const url = URL.parse(text)
  if (!url || !/^(?:nats|tls):$/.test(url.protocol) || !isHost(url.hostname.replace(/^\[(.*)\]$/, '$1')))
    return false
  return (
    url.username === '' &&
    url.password === '' &&
    /^\/?$/.test(url.pathname) &&
    url.search === '' &&
    url.hash === ''
  )
}
