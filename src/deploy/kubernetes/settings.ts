import { z } from 'zod'

/** In these, `{region}` stands for the region. */
const perRegion = (allowed: string, pattern: RegExp): z.ZodString =>
  z.string().max(512).regex(pattern, `not allowed; allowed: ${allowed}`)

export const namespacePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const secretName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'not allowed; allowed: the name of a Secret')
const allowedLeafUrl = 'nats-leaf://host:port or tls://host:port, without credentials'

/** What `openclaw.yaml` says of Kubernetes. */
export const kubernetesSchema = z.strictObject({
  /** The context of `kubectl` for a region. */
  context: perRegion('the name of a context of kubectl', /^\S+$/).default('{region}'),
  namespace: z
    .string()
    .refine(
      (namespace) => namespacePattern.test(inRegion(namespace, 'r')),
      'not allowed; allowed: the name of a namespace',
    )
    .default('openclaw'),
  /** Where callers reach a region. */
  url: perRegion('an http:// or https:// URL', /^https?:\/\/[^\s/]+$/),
  /** The leaf node port of the region's NATS. */
  nats_leaf_url: perRegion(allowedLeafUrl, /^(?:nats|nats-leaf|tls):\/\/[^\s/?#@]+$/).refine(
    (url) => URL.canParse(inRegion(url, 'region')),
    `not allowed; allowed: ${allowedLeafUrl}`,
  ),
  /** A Secret of the namespace with the credentials of a leaf, as `leaf.creds`. */
  nats_leaf_creds_secret: secretName.optional(),
  /** A Secret of the namespace with the certificate of a leaf, and that of the authority: `tls.crt`, `tls.key`, `ca.crt`. */
  nats_leaf_tls_secret: secretName.optional(),
  /** The domain of that NATS's JetStream. */
  jetstream_domain: z
    .string()
    .regex(/^[\w-]{1,64}$/, 'not allowed; allowed: 1 to 64 letters, digits, _ or -'),
})

export type KubernetesSettings = z.output<typeof kubernetesSchema>

/** A setting for one region. */
export function inRegion(setting: string, region: string): string {
  return setting.replaceAll('{region}', region)
}

export function isPerRegion(setting: string): boolean {
  return setting.includes('{region}')
}
