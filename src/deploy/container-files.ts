import type { EdgeConfig } from '../config/edge-config.ts'

/** What a configuration names that an edge in a container can't have: it has the configuration, and no other file. */
export function filesMissingInContainers({ http, auth, log }: EdgeConfig): string[] {
  return [
    ...(http.tls
      ? [
          'http.tls: containers have no such files, and are asked by plain HTTP: leave it out, and let what is in front of them end TLS',
        ]
      : []),
    ...(auth.jwt?.publicKeyFile
      ? ['auth.jwt.public_key_file: containers have no such file: give jwks_url']
      : []),
    ...(log.auditFile
      ? ['log.audit_file: containers keep no files: leave it out, and the log has what would be in it']
      : []),
  ]
}
