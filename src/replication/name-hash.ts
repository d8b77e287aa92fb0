/** FNV-1a (Fowler, Noll, Vo), 32 bits: a short stand-in for a name that the configuration chose; not for what users send. */
export function nameHash(name: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
