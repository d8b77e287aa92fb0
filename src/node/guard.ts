import type { EdgeConfig } from '../config/edge-config.ts'
import type { AppOptions } from '../http/app.ts'
import { clientAddress } from '../http/client-address.ts'
import { AddressLimiter } from '../limiter/address-limiter.ts'
import { openAudit } from './audit.ts'
import { authenticationFor } from './authentication.ts'
import { randomHashKey } from './hash-key.ts'
import type { Logger } from './logger.ts'

/** What stands between callers and the API: who they are, how often their address may call, and what is noted of them. */
export interface Guard {
  readonly app: Pick<
    AppOptions,
    'authenticate' | 'authenticated' | 'addressOf' | 'takeForAddress' | 'overTls' | 'audit' | 'bodyBytesMax'
  >
  /** Requests refused because of their address. */
  refusedAddresses(): number
  /** Reads what another configuration names, and answers how to put its credentials in force. @throws {PublicKeyError} */
  prepare(config: EdgeConfig): () => void
  close(): void
}

const tidyMs = 1000

/** @throws when a file that the configuration names can't be opened. */
export async function startGuard(
  { auth, http, log }: EdgeConfig,
  { logger, nowMs }: { logger: Logger; nowMs: () => number },
): Promise<Guard> {
  const authentication = authenticationFor(auth)
  const audit = openAudit(log.auditFile, logger)
  const addresses =
    http.addressLimit && new AddressLimiter({ ...http.addressLimit, hashKey: randomHashKey(), nowMs })
  const timer = setInterval(() => addresses?.tick(), tidyMs).unref()
  return {
    app: {
      authenticate: authentication.authenticate,
      authenticated: auth.mode === 'required',
      addressOf: clientAddress(http),
      ...(addresses && { takeForAddress: (block) => addresses.take(block) }),
      overTls: http.tls !== null,
      audit: (entry) => audit.write(entry),
      bodyBytesMax: http.maxBodyBytes,
    },
    refusedAddresses: () => addresses?.refused ?? 0,
    prepare: (config) => authentication.prepare(config.auth),
    close: () => {
      clearInterval(timer)
      audit.close()
    },
  }
}
