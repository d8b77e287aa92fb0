/** What an edge node may use. */
export interface Resources {
  readonly cpus: number
  readonly memoryMiB: number
}

export const sizes = {
  small: { cpus: 0.5, memoryMiB: 512 },
  medium: { cpus: 1, memoryMiB: 1024 },
  large: { cpus: 2, memoryMiB: 2048 },
} as const satisfies Record<string, Resources>

export type Size = keyof typeof sizes

/** The heap of a node, in MiB; the rest is for buckets, which lie outside of it, and for the process itself. */
export function heapMiB({ memoryMiB }: Resources): number {
  return memoryMiB / 2
}
