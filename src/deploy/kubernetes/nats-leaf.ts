import { natsContainer, natsMonitorPort, natsPort } from './base.ts'
import type { KubernetesSettings } from './settings.ts'

/** What shows a leaf to the region's NATS: Secrets of the namespace that the operator makes. */
type LeafSecrets = Pick<KubernetesSettings, 'nats_leaf_creds_secret' | 'nats_leaf_tls_secret'>

interface MountedSecret {
  readonly volume: string
  readonly secretName: string
  readonly directory: string
}

const credsVolume = 'nats-leaf-creds'
const tlsVolume = 'nats-leaf-tls'
const directoryOf = (volume: string): string => `/etc/${volume}`

/** The configuration of the sidecar: a leaf of the region's NATS, open to its pod only. */
export function leafConfig(leafUrl: string, secrets: LeafSecrets): string {
  const creds = secrets.nats_leaf_creds_secret && `credentials: "${directoryOf(credsVolume)}/leaf.creds"`
  const tls =
    secrets.nats_leaf_tls_secret &&
    `tls { cert_file: "${directoryOf(tlsVolume)}/tls.crt", key_file: "${directoryOf(tlsVolume)}/tls.key", ca_file: "${directoryOf(tlsVolume)}/ca.crt" }`
  const remote = [`url: ${JSON.stringify(leafUrl)}`, creds, tls].filter(Boolean).join(', ')
  return `listen: "127.0.0.1:${natsPort}"
http: "0.0.0.0:${natsMonitorPort}"
server_name: $SERVER_NAME
max_payload: 1MB
leafnodes {
  remotes: [{ ${remote} }]
}
`
}

/** What an overlay adds to the pods for that: volumes, and where the sidecar has them. */
export function leafSecretsPatch(secrets: LeafSecrets): object {
  const mounted = mountedSecrets(secrets)
  if (mounted.length === 0) return {}
  return {
    initContainers: [
      {
        name: natsContainer,
        volumeMounts: mounted.map(({ volume, directory }) => ({
          name: volume,
          mountPath: directory,
          readOnly: true,
        })),
      },
    ],
    volumes: mounted.map(({ volume, secretName }) => ({ name: volume, secret: { secretName } })),
  }
}

function mountedSecrets({ nats_leaf_creds_secret, nats_leaf_tls_secret }: LeafSecrets): MountedSecret[] {
  const named: readonly [string, string | undefined][] = [
    [credsVolume, nats_leaf_creds_secret],
    [tlsVolume, nats_leaf_tls_secret],
  ]
  return named.flatMap(([volume, secretName]) =>
    secretName === undefined ? [] : [{ volume, secretName, directory: directoryOf(volume) }],
  )
}
