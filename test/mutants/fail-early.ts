import fc from 'fast-check'

// That a fault is noticed counts, not the smallest case that shows it; and it is noticed always or never.
fc.configureGlobal({ endOnFailure: true, seed: 1 })
