import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'

export interface Readiness {
  readonly isReady: boolean
  /** Replicas that it hears, and those that it knows of: also those that are gone. */
  readonly heard: number
  readonly known: number
  /** Of the limits that all regions agreed on; 0 while those of its file count. */
  readonly limitsVersion: number
  /** Why not, in words. */
  readonly reason: string
}

const timeoutMs = 2000
const bodyCharsMax = 65_536

/** Asks an edge whether it is ready. */
export async function probeReady(url: string): Promise<Readiness> {
  try {
    const { status, body } = await get(new URL('/ready', url))
    const [, heard = 0, known = 0] = /"(\d+) of (\d+) replicas in contact/.exec(body) ?? []
    const [, limitsVersion = 0] = /"limits":"version (\d+)"/.exec(body) ?? []
    return {
      isReady: status === 200,
      heard: Number(heard),
      known: Number(known),
      limitsVersion: Number(limitsVersion),
      reason: `${status} ${body}`,
    }
  } catch (error) {
    return {
      isReady: false,
      heard: 0,
      known: 0,
      limitsVersion: 0,
      reason: error instanceof Error ? error.message : 'no answer',
    }
  }
}

function get(url: URL): Promise<{ status: number; body: string }> {
  const options: RequestOptions & { rejectUnauthorized: boolean } = {
    agent: false,
    timeout: timeoutMs,
    // Nothing secret is asked or told, and on loopback a certificate is for the name that others know the edge by.
    rejectUnauthorized: false,
  }
  return new Promise((resolve, reject) => {
    const onResponse = (response: IncomingMessage): void => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body = (body + text).slice(0, bodyCharsMax)
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      response.on('error', reject)
    }
    const request =
      url.protocol === 'https:'
        ? requestHttps(url, options, onResponse)
        : requestHttp(url, options, onResponse)
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    request.on('error', reject)
    request.end()
  })
}
