/**
 * For few ratings planning was half the time: PostgreSQL takes plans for the very arrays of each call to be cheaper. Here plans are made
 * once. They look every row up by its index, so that a plan that was made for empty tables is as good for full ones; for many
 * ratings at once, which are joined with each other, it would not be.
 */
export const fewRatings = `
  create function put_few_ratings(subjects text[], users text[], scores smallint[], comments text[], accepted_micros bigint[],
    keys text[], fingerprints text[], deadline_micros bigint)
  returns table (n int, created_at timestamptz, updated_at timestamptz, is_reused boolean)
  language plpgsql volatile
  set plan_cache_mode = force_generic_plan
  set random_page_cost = 0.1
  set enable_seqscan = off
  set jit = off
  as $$
  begin
    return query select * from put_ratings(subjects, users, scores, comments, accepted_micros, keys, fingerprints, deadline_micros);
  end $$;
`
