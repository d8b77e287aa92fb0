import { concurrentWrites } from './migrations/concurrent-writes.ts'
import { fewRatings } from './migrations/few-ratings.ts'
import type { Sql } from './sql.ts'

interface Migration {
  readonly version: number
  /** The oldest version whose edges also work with the schema as this one leaves it: they run beside newer ones during a rollout. */
  readonly worksSince: number
  readonly script: string
}

/** Append-only: a released migration is never edited, a mistake is mended by the next. */
const migrations: readonly Migration[] = [
  {
    version: 1,
    worksSince: 1,
    script: `
      -- The subject is in every key: the tables can be distributed by it.
      create table ratings (
        subject text not null,
        user_id text not null,
        score smallint not null check (score between 1 and 5),
        comment text check (char_length(comment) <= 2000),
        created_at timestamptz not null,
        updated_at timestamptz not null,
        primary key (subject, user_id)
      );
      create index ratings_newest on ratings (subject, updated_at desc, user_id desc);

      create table subject_summaries (
        subject text primary key,
        count bigint not null default 0,
        scores_1 bigint not null default 0,
        scores_2 bigint not null default 0,
        scores_3 bigint not null default 0,
        scores_4 bigint not null default 0,
        scores_5 bigint not null default 0
      );

      -- Stores ratings and changes the summaries by the difference. All writers of a subject first lock its summary, in subject
      -- order: so the scores read as old are those that are replaced, and nobody deadlocks. Each statement of a volatile
      -- function sees what was committed before it began, so the lock has to be taken by a statement of its own.
      create function put_ratings(subjects text[], users text[], scores smallint[], comments text[])
      returns table (subject text, user_id text, created_at timestamptz, updated_at timestamptz)
      language plpgsql volatile as $$
      #variable_conflict use_column
      declare
        stored_at timestamptz;
      begin
        insert into subject_summaries (subject) select distinct s from unnest(subjects) s order by s on conflict do nothing;
        perform 1 from subject_summaries where subject = any (subjects) order by subject for update;
        stored_at := clock_timestamp();
        return query
          with input as (
            select * from unnest(subjects, users, scores, comments) i (subject, user_id, score, comment)
          ), old as (
            select r.subject, r.score from ratings r join input i on i.subject = r.subject and i.user_id = r.user_id
          ), stored as (
            insert into ratings as r (subject, user_id, score, comment, created_at, updated_at)
            select i.subject, i.user_id, i.score, i.comment, stored_at, stored_at from input i
            on conflict (subject, user_id) do update
              set score = excluded.score, comment = excluded.comment, updated_at = excluded.updated_at
            returning r.subject, r.user_id, r.created_at, r.updated_at
          ), change as (
            select c.subject, sum(n) as n,
              sum(n) filter (where score = 1) as n1, sum(n) filter (where score = 2) as n2,
              sum(n) filter (where score = 3) as n3, sum(n) filter (where score = 4) as n4,
              sum(n) filter (where score = 5) as n5
            from (select subject, score, 1 as n from input union all select subject, score, -1 from old) c
            group by c.subject
          ), summed as (
            update subject_summaries s set count = s.count + c.n,
              scores_1 = s.scores_1 + coalesce(c.n1, 0), scores_2 = s.scores_2 + coalesce(c.n2, 0),
              scores_3 = s.scores_3 + coalesce(c.n3, 0), scores_4 = s.scores_4 + coalesce(c.n4, 0),
              scores_5 = s.scores_5 + coalesce(c.n5, 0)
            from change c where c.subject = s.subject
          )
          select stored.subject, stored.user_id, stored.created_at, stored.updated_at from stored;
      end $$;

      -- Deletes a rating, and answers whether there was one.
      create function remove_rating(of_subject text, of_user text) returns boolean
      language plpgsql volatile as $$
      declare
        old_score smallint;
      begin
        perform 1 from subject_summaries where subject = of_subject for update;
        delete from ratings where subject = of_subject and user_id = of_user returning score into old_score;
        if old_score is null then
          return false;
        end if;
        update subject_summaries set count = count - 1,
          scores_1 = scores_1 - (old_score = 1)::int, scores_2 = scores_2 - (old_score = 2)::int,
          scores_3 = scores_3 - (old_score = 3)::int, scores_4 = scores_4 - (old_score = 4)::int,
          scores_5 = scores_5 - (old_score = 5)::int
        where subject = of_subject;
        return true;
      end $$;
    `,
  },
  { version: 2, worksSince: 2, script: concurrentWrites },
  { version: 3, worksSince: 2, script: fewRatings },
]

/** Any number that nobody else uses for an advisory lock of this database. */
const migrationLock = 7_164_231

/** The database was migrated by a newer version of the product, with whose schema this one does not work. */
export class NewerSchemaError extends Error {
  override readonly name = 'NewerSchemaError'

  constructor(found: number, known: number) {
    super(
      `the database has schema version ${found}, but this version of openclaw-edge knows up to ${known}: upgrade it`,
    )
  }
}

/** The server is older than what the product is made for. */
export class OldServerError extends Error {
  override readonly name = 'OldServerError'

  constructor(version: string) {
    super(`the database is PostgreSQL ${version}: ${majorMin} or later is needed`)
  }
}

const majorMin = 15

/** @param version as `server_version` has it, such as `15.18 (Debian 15.18-0+deb12u1)` @throws {OldServerError} */
export function checkServerVersion(version: string): void {
  if (Number.parseInt(version, 10) < majorMin) throw new OldServerError(version)
}

// Schema versions that were written before `works_since` was there work with themselves only.
const bookkeeping = `
  create table if not exists openclaw_migrations (version int primary key, applied_at timestamptz not null default now());
  alter table openclaw_migrations add column if not exists works_since int;
`

/**
 * Brings the schema up to date; edges that start together wait for each other. A newer schema is left as it is, if it says that
 * this version works with it. @throws {OldServerError} @throws {NewerSchemaError}
 */
export async function migrate(sql: Sql): Promise<void> {
  const [server] = await sql.query<{ server_version: string }>('show server_version', [])
  checkServerVersion(server!.server_version)
  await sql.transaction(async (session) => {
    await session.query('select pg_advisory_xact_lock($1)', [migrationLock])
    await session.script(bookkeeping)
    const rows = await session.query<{ version: number; works_since: number }>(
      `select version, coalesce(works_since, version)::int as works_since
       from openclaw_migrations order by version desc limit 1`,
      [],
    )
    const found = rows[0] ?? { version: 0, works_since: 0 }
    const known = migrations.at(-1)!.version
    if (found.works_since > known) throw new NewerSchemaError(found.version, known)
    for (const { version, worksSince, script } of migrations.filter((one) => one.version > found.version)) {
      await session.script(script)
      await session.query('insert into openclaw_migrations (version, works_since) values ($1, $2)', [
        version,
        worksSince,
      ])
    }
  })
}
