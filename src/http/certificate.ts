import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { X509Certificate } from 'node:crypto'

export interface CertificateOptions {
  readonly certFile: string
  readonly keyFile: string
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
}

/** The files of the certificate can't be used. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError'
}

/** A certificate with its key, of which is known that they fit. */
export interface Certificate {
  readonly context: SecureContextOptions
  /** When it ends. */
  readonly validTo: string
}

/** How often the files are looked at: renewed ones are in force within that. */
const checkMs = 1000

/** @throws {CertificateError} when a file can't be read, or key and certificate don't fit. */
export async function readCertificate(options: CertificateOptions): Promise<Certificate> {
  const { certFile, keyFile, minVersion } = options
  const [cert, key] = await Promise.all([
    readPem('http.tls.cert_file', certFile),
    readPem('http.tls.key_file', keyFile),
  ])
  const context = { cert, key, minVersion }
  try {
    createSecureContext(context)
    return { context, validTo: new X509Certificate(cert).validTo }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new CertificateError(
      `http.tls: ${certFile} and ${keyFile} are no certificate and its key (${reason})`,
    )
  }
}

async function readPem(field: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new CertificateError(`${field}: ${path} can't be read (${code})`)
  }
}

export interface RenewalOptions extends CertificateOptions {
  readonly current: Certificate
  readonly onRenewed: (certificate: Certificate) => void
  /** The one before stays in force; told once for each problem. */
  readonly onProblem: (error: unknown) => void
}

/** Reads the files now and then, and tells when they hold another certificate; answers how to stop. */
export function watchCertificate(options: RenewalOptions): () => void {
  let { cert } = options.current.context
  let problem = ''
  let repeats = 0
  const check = async (): Promise<void> => {
    try {
      const next = await readCertificate(options)
      problem = ''
      if (next.context.cert === cert) return
      cert = next.context.cert
      options.onRenewed(next)
    } catch (error) {
      // Files that are renewed one after the other don't fit for a moment.
      repeats = String(error) === problem ? repeats + 1 : 1
      problem = String(error)
      if (repeats === 2) options.onProblem(error)
    }
  }
  const timer = setInterval(() => void check(), checkMs).unref()
  return () => clearInterval(timer)
}
