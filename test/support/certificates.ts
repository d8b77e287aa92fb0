import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface CertificateFiles {
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
}

const daysValid = '2'
const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** An authority of its own in a directory, that signs certificates for this machine. */
export function makeAuthority(
  directory: string,
  name = 'authority',
): (subject: string, own?: { days?: string }) => CertificateFiles {
  mkdirSync(directory, { recursive: true })
  const file = (part: string): string => join(directory, part)
  const [caFile, caKey] = [file(`${name}.pem`), file(`${name}.key`)]
  openssl(
    'req',
    '-x509',
    ...curve,
    '-keyout',
    caKey,
    '-out',
    caFile,
    '-days',
    daysValid,
    '-subj',
    `/CN=${name}`,
  )
  let issued = 0
  return (subject, { days = daysValid } = {}) => {
    const base = file(`${name}-${++issued}`)
    const [request, keyFile, certFile, extensions] = [
      `${base}.csr`,
      `${base}.key`,
      `${base}.pem`,
      `${base}.cnf`,
    ]
    writeFileSync(
      extensions,
      'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n',
    )
    openssl('req', ...curve, '-keyout', keyFile, '-out', request, '-subj', `/CN=${subject}`)
    const sign = ['x509', '-req', '-in', request, '-CA', caFile, '-CAkey', caKey, '-CAcreateserial']
    openssl(...sign, '-out', certFile, '-days', days, '-extfile', extensions)
    return { caFile, certFile, keyFile }
  }
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
