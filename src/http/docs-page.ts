import { html, raw } from 'hono/html'
import { z } from 'zod'
import { problemsOf } from './openapi.ts'
import type { Operation } from './operation.ts'
import { problems } from './problems.ts'

type Html = ReturnType<typeof html>

const style = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0a6cbc }
@media (prefers-color-scheme: dark) { :root { --accent: #6cb6ff } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 0 auto; padding: 1rem }
h1 { font-size: 1.6rem } h2 { margin-top: 2.5rem } h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere }
section { border: 1px solid var(--line); border-radius: 8px; padding: 1rem; margin: 1rem 0 }
code, pre { font: 14px/1.45 ui-monospace, monospace } pre { background: var(--soft); padding: .75rem; border-radius: 6px; overflow-x: auto }
.method { color: var(--accent); font-weight: 700; text-transform: uppercase }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top; padding: .3rem .6rem; border-top: 1px solid var(--line) }
a { color: var(--accent) } :target { outline: 2px solid var(--accent) }
`

/** The API for people: one page without scripts, made from the operations. */
export async function docsPage(operations: readonly Operation[], authenticated: boolean): Promise<string> {
  const tags = [...new Set(operations.map(({ tag }) => tag))]
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>OpenClaw Rating API Edge</title>
        <style>
          ${raw(style)}
        </style>
      </head>
      <body>
        <h1>OpenClaw Rating API Edge</h1>
        <p>
          ${
            authenticated
              ? html`Calls carry <code>Authorization: Bearer …</code> (an API key or a JWT) or
                  <code>X-API-Key: …</code>.`
              : html`Authentication is off: callers say who they are, as <code>?user=</code>.`
          }
          Machines read <a href="/openapi.json">openapi.json</a>.
        </p>
        ${tags.map(
          (tag) =>
            html`<h2>${tag}</h2>
              ${operations.filter((operation) => operation.tag === tag).map((operation) => operationSection(operation, authenticated))}`,
        )}
        <h2>Problems</h2>
        <p>Errors are problem documents (RFC 9457); <code>type</code> points here.</p>
        <table>
          <thead>
            <tr>
              <th>code</th>
              <th>status</th>
              <th>meaning</th>
              <th>try again?</th>
            </tr>
          </thead>
          <tbody>
            ${Object.entries(problems).map(
              ([code, { status, title, retry }]) =>
                html`<tr id="problem-${code}">
                  <td><code>${code}</code></td>
                  <td>${status}</td>
                  <td>${title}.</td>
                  <td>${retry}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </body>
    </html>`
  return String(await page)
}

function operationSection(operation: Operation, authenticated: boolean): Html {
  const { method, path, summary, scope, body, success } = operation
  const codes = problemsOf(operation, authenticated)
  return html`<section>
    <h3><span class="method">${method}</span> <code>${path}</code></h3>
    <p>${summary}${scope && authenticated ? html` Needs the scope <code>${scope}</code>.` : ''}</p>
    <pre>${curlOf(operation, authenticated)}</pre>
    ${
      body
        ? html`<p>Body:</p>
            <pre>${schemaText(body)}</pre>`
        : ''
    }
    <p>Answers ${success.status}: ${success.description}</p>
    ${success.schema ? html`<pre>${schemaText(success.schema)}</pre>` : ''}
    <p>
      Problems:
      ${codes.map((code, index) => html`${index > 0 ? ', ' : ''}<a href="#problem-${code}">${code}</a>`)}
    </p>
  </section>`
}

function curlOf({ method, path, body, scope, asUser }: Operation, authenticated: boolean): string {
  const example = path
    .replaceAll('{subject}', 'tea')
    .replaceAll('{user}', 'alice')
    .replaceAll('{key}', 'alice')
    .replaceAll('{limit}', 'ratings')
  const parts = ['curl']
  if (method !== 'get') parts.push(`-X ${method.toUpperCase()}`)
  if (scope && authenticated) parts.push("-H 'authorization: Bearer …'")
  if (body) parts.push("-H 'content-type: application/json'", `-d '${bodyExample(path)}'`)
  parts.push(`'http://HOST${example}${asUser && !authenticated ? '?user=alice' : ''}'`)
  return parts.join(' ')
}

function bodyExample(path: string): string {
  if (path.endsWith('/take')) return '{"key":"alice"}'
  if (path.endsWith('/give')) return '{"key":"alice","tokens":1}'
  return '{"subject":"tea","score":5}'
}

/** A schema as a short listing: field, type, meaning. */
function schemaText(schema: z.ZodType): string {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return Object.entries(properties)
    .map(([field, property]) => {
      if (typeof property === 'boolean') return field
      const type =
        property.type ??
        property.anyOf?.map((one) => (typeof one === 'boolean' ? '' : one.type)).join(' | ') ??
        'any'
      const optional = required.includes(field) ? '' : ' (optional)'
      return `${field}: ${String(property.const ?? type)}${optional}${property.description ? `  — ${property.description}` : ''}`
    })
    .join('\n')
}
