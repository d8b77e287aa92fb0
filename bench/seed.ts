import { parseArgs } from 'node:util'
import { NotEmptyError, seed } from './seeding.ts'

const usage = `Fills an empty PostgreSQL database with ratings, to see how it behaves when it is large.

  npm run seed -- --ratings 10000000 --url postgres://rating@127.0.0.1:5432/rating

Without --url the database of RATING_DB_URL; a password stands only there, or in PGPASSWORD.`

const ratingsMax = 200_000_000

async function main(): Promise<void> {
  const options = { ratings: { type: 'string' }, url: { type: 'string' }, help: { type: 'boolean' } } as const
  const { values } = parseArgs({ options })
  if (values.help) return console.log(usage)
  const ratings = Number(values.ratings)
  if (!Number.isInteger(ratings) || ratings < 100 || ratings > ratingsMax)
    throw new RangeError(
      `--ratings: ${values.ratings ?? 'missing'}; allowed: a whole number from 100 to ${ratingsMax}`,
    )
  const url = values.url ?? process.env['RATING_DB_URL']
  if (url === undefined || url === '') throw new RangeError('--url: missing, and RATING_DB_URL is not set')
  const startMs = performance.now()
  await seed({
    url,
    ratings,
    onProgress: (what) =>
      console.log(`${((performance.now() - startMs) / 1000).toFixed(0).padStart(5)} s  ${what}`),
  })
  console.log(`${ratings.toLocaleString('en-US')} ratings stored`)
}

await main().catch((error: unknown) => {
  const known = error instanceof RangeError || error instanceof NotEmptyError
  console.error(known ? `${error.message}\n\n${usage}` : error)
  process.exitCode = 1
})
