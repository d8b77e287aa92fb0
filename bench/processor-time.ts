import { readdirSync, readFileSync } from 'node:fs'

/** Linux counts processor time in these. */
const ticksPerSec = 100

/** What a process is, by its command line. */
const kinds: readonly (readonly [string, RegExp])[] = [
  ['edges', /main\.ts\0serve\0/],
  ['load generator', /main\.ts\0load\0/],
  ['NATS', /^nats-server\0/],
  ['PostgreSQL', /postgres/],
]
/** This process: the delaying proxies, mostly. */
const own = 'delays between regions'

/** Processor seconds that this process and its descendants have used, by what they are. Those that have ended are not in it. */
export function processorSeconds(): Map<string, number> {
  const processes = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => readProcess(Number(name)) ?? [])
      .map((one) => [one.pid, one]),
  )
  const isOurs = (pid: number): boolean =>
    pid === process.pid || (processes.has(pid) && isOurs(processes.get(pid)!.parent))
  const seconds = new Map<string, number>()
  for (const { pid, command, ticks } of processes.values()) {
    if (!isOurs(pid)) continue
    const kind =
      pid === process.pid ? own : (kinds.find(([, pattern]) => pattern.test(command))?.[0] ?? 'other')
    seconds.set(kind, (seconds.get(kind) ?? 0) + ticks / ticksPerSec)
  }
  return seconds
}

interface Process {
  readonly pid: number
  readonly parent: number
  readonly command: string
  readonly ticks: number
}

function readProcess(pid: number): Process | undefined {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    // The name in parentheses may hold blanks: fields are counted from behind it (proc_pid_stat(5)).
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return { pid, parent: Number(stat[1]), command, ticks: Number(stat[11]) + Number(stat[12]) }
  } catch {
    // It has ended meanwhile.
    return undefined
  }
}
