import type { Mutant } from './mutants.ts'

const contact = 'src/replication/contact.ts'
const overAdmission = 'src/limiter/over-admission.prop.test.ts'
const replicator = 'src/replication/replicator.ts'
const exchange = 'src/replication/lease-exchange.ts'
const limiter = 'src/limiter/limiter.ts'
const regionShares = 'src/limiter/region-shares.ts'
const replicatorTest = 'src/replication/replicator.test.ts'

/** Faults in replication, and in the limiter that puts it together with buckets. */
export const replicationMutants: readonly Mutant[] = [
  {
    name: 'park-forgotten',
    file: regionShares,
    find: 'buckets.park(shareOf(shares, this.#contact.difference(regions)), nowMs, { restored })',
    replace: '',
    caughtBy: { file: 'src/limiter/restarts.prop.test.ts', test: 'I7 a region that comes back cold' },
  },
  {
    name: 'grant-of-an-earlier-life',
    file: exchange,
    find: 'if (claimant !== this.#options.incarnation) return',
    replace: 'void claimant',
    caughtBy: {
      file: 'src/replication/lease-exchange.test.ts',
      test: 'a grant that answers an earlier life',
    },
  },
  {
    name: 'incarnation-not-checked',
    file: replicator,
    find: 'if (incarnation < peer.incarnation && silentMs',
    replace: 'if (incarnation < 0 && silentMs',
    caughtBy: {
      file: replicatorTest,
      test: 'a higher incarnation starts its counts anew',
    },
  },
  {
    name: 'new-incarnation-unnoticed',
    file: replicator,
    find: 'this.#forgetReplica(peer.slot)\n    peer.incarnation = incarnation',
    replace: 'peer.incarnation = incarnation',
    caughtBy: {
      file: replicatorTest,
      test: 'a higher incarnation starts its counts anew',
    },
  },
  {
    name: 'new-incarnation-trusted',
    file: replicator,
    find: 'this.#part(peer)\n    return true',
    replace: 'return true',
    caughtBy: {
      file: replicatorTest,
      test: 'a higher incarnation starts its counts anew',
    },
  },
  {
    name: 'leases-of-any-incarnation',
    file: replicator,
    find: 'if (!peer || message.incarnation !== peer.incarnation) return\n',
    replace: 'if (!peer) return\n',
    caughtBy: { file: replicatorTest, test: 'claims and grants count only' },
  },
  {
    name: 'gaps-not-repaired',
    file: replicator,
    find: 'else this.#startTransfer(peer, nowMs)\n  }',
    replace: '}',
    caughtBy: { file: 'src/limiter/invariants.prop.test.ts', test: 'I2 each token is charged exactly once' },
  },
  {
    name: 'gap-during-a-transfer-not-repaired',
    file: replicator,
    find: 'if (again) this.#startTransfer(peer, nowMs)',
    replace: 'void again',
    caughtBy: { file: replicatorTest, test: 'a transfer goes page by page' },
  },
  {
    name: 'contact-not-mutual',
    file: contact,
    find: "peer.rule === 'exact' && peer.hearsUs && this.hears",
    replace: "peer.rule === 'exact' && this.hears",
    caughtBy: { file: replicatorTest, test: 'a region counts when it is heard, hears us' },
  },
  {
    name: 'contact-before-the-transfer',
    file: contact,
    find: "peer.rule === 'exact' && peer.hearsUs && this.hears",
    replace: 'peer.hearsUs && this.hears',
    caughtBy: { file: replicatorTest, test: 'a region that hears us counts only once' },
  },
  {
    name: 'silence-unnoticed',
    file: replicator,
    find: 'if (!this.#contact.hears(peer, nowMs)) this.#part(peer)',
    replace: '',
    caughtBy: { file: replicatorTest, test: 'after a silence news is charged' },
  },
  {
    name: 'page-accepted-twice',
    file: replicator,
    find: '!peer?.transfer || page.request !== peer.transfer.request ||',
    replace: '!peer?.transfer ||',
    caughtBy: { file: replicatorTest, test: 'a page that comes twice' },
  },
  {
    name: 'tables-start-at-the-first-interval',
    file: replicator,
    find: 'table.setReplicas(this.#slots)\n      table.beginInterval(this.#sequence + 1)',
    replace: 'table.setReplicas(this.#slots)',
    caughtBy: { file: 'src/limiter/limiter.test.ts', test: 'is still heard by the others' },
  },
  {
    name: 'reloaded-strict-limit-starts-fresh',
    file: limiter,
    find: 'this.#setLimits(specs, false)',
    replace: 'this.#setLimits(specs, true)',
    caughtBy: { file: 'src/limiter/limiter.test.ts', test: 'a strict limit that is new waits' },
  },
  {
    name: 'no-wait-for-leases-of-an-earlier-life',
    file: limiter,
    find: 'fresh ? Number.NEGATIVE_INFINITY : nowMs + leaseMs',
    replace: 'fresh ? Number.NEGATIVE_INFINITY : nowMs + leaseMs * 0',
    caughtBy: { file: 'src/limiter/strict.prop.test.ts', test: 'I3 strict' },
  },
  {
    name: 'restored-alone-as-if-never-in-contact',
    file: limiter,
    find: 'this.#regionShares.setContact(everywhere, nowMs)',
    replace: '',
    caughtBy: { file: 'src/limiter/restarts.prop.test.ts', test: 'I7 a region that comes back cold' },
  },
  {
    name: 'contact-before-others-are-heard',
    file: contact,
    find: 'nowMs - peer.transferredAtMs > this.#timeoutMs ||',
    replace: 'nowMs - peer.transferredAtMs >= 0 ||',
    caughtBy: { file: overAdmission, test: 'for a while, what all admit until after it' },
  },
  {
    name: 'mute-link-counts',
    file: replicator,
    find: 'if (isMute) return',
    replace: '',
    caughtBy: { file: overAdmission, test: 'for a while, what all admit until after it' },
  },
  {
    name: 'charged-before-debt-is-parked',
    file: replicator,
    find: "if (peer.counts && peer.rule !== 'exact') this.#updateContact(nowMs)",
    replace: '',
    caughtBy: {
      file: 'src/limiter/restarts.prop.test.ts',
      test: 'I7 a replica that starts cut off from some',
    },
  },
  {
    name: 'unpark-forgotten',
    file: regionShares,
    find: 'buckets.unpark(share, nowMs - sinceMs, { absent, nowMs })',
    replace: '',
    caughtBy: { file: overAdmission, test: 'for a while, what all admit until after it' },
  },
]
