/**
 * What every answer says to browsers, as the OWASP REST security cheat sheet has it: nothing of it is to be kept, framed, sniffed,
 * or to load anything. Over TLS also that plain HTTP is no more (RFC 6797): for a year.
 */
const plain = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

export const securityHeaders = {
  plain,
  overTls: { ...plain, 'strict-transport-security': 'max-age=31536000' },
}

/** Of the documentation, which has a style of its own and no script. */
export const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
