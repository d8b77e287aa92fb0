import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'

/**
 * A header of a request, by its name in small letters. Read from Node's own request where there is one: asking the web request
 * makes an object of all of its headers, which costs as much as the rest of a small call.
 */
export function headerOf(context: Context, name: string): string | undefined {
  const { incoming }: Partial<HttpBindings> = context.env ?? {}
  if (!incoming) return context.req.header(name)
  const value = incoming.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}
