import { z } from 'zod'
import { instant, plainText, section, text, whenValid, wholeNumber } from './fields.ts'
import { isSubnet } from './hosts.ts'
import { checkKeyTimes } from './rules.ts'

/** Beside other fields of an API key. */
export const keyTimes = {
  not_before: instant().optional().describe('When the key begins to be valid, by the clock of the node.'),
  expires: instant().optional().describe('When it ends; needed for nothing, wise for all.'),
}

export const keyTimesInOrder = [checkKeyTimes, whenValid('not_before', 'expires')] as const

export const httpTls = section({
  cert_file: plainText(4096).describe(
    'A PEM file with the certificate of the server and those between it and its authority.',
  ),
  key_file: plainText(4096).describe('A PEM file with the key of that certificate, without a passphrase.'),
  min_version: z
    .enum(['TLSv1.2', 'TLSv1.3'])
    .default('TLSv1.2')
    .describe('The oldest version of TLS that is spoken.'),
}).describe(
  'TLS. Without it the server speaks plain HTTP. Renewed files are taken over within seconds, without a restart.',
)

export const addressLimit = section({
  capacity: wholeNumber(1, 1e9).describe('Requests that an address may send at once.'),
  refill_per_sec: z.number().gt(0).max(1e9).describe('Requests a second that it may send in the long run.'),
  max_addresses: wholeNumber(1, 16_000_000)
    .default(100_000)
    .describe('Addresses kept in memory at most; at the bound those go first that sent the least.'),
}).describe(
  'A token bucket for each address that calls (IPv6: for each /64), asked before credentials are looked at. Of this node only. Without it there is none.',
)

export const trustedProxies = z
  .array(text(isSubnet, 'an IP address or a subnet such as 10.0.0.0/8'))
  .max(64)
  .default([])
  .describe(
    'Proxies whose word on the address of a caller is believed. Without any, the address is the one that connects, whatever headers say.',
  )

export const clientAddressHeader = z
  .enum(['x-forwarded-for', 'forwarded'])
  .default('x-forwarded-for')
  .describe(
    'The header by which they give their word; `forwarded` is that of RFC 7239. The other one is ignored.',
  )
