/**
 * Writers of the same subject no longer wait for each other until they have committed, writes know when they were accepted, and
 * keys of requests are remembered. What a writer waits for stands in an order that all share, so that nobody deadlocks: keys, then
 * first rows of summaries, then ratings, then other rows of summaries, each by their own key.
 */
export const concurrentWrites = `
  -- What the last change replaced; null for a first rating. The statement that replaces a rating tells it, so that nothing has to
  -- be locked before.
  alter table ratings add column replaced_score smallint;

  -- A summary is the sum of its parts. Part 0 is changed by whoever finds it free, another by those who don't.
  alter table subject_summaries add column part smallint not null default 0;
  alter table subject_summaries drop constraint subject_summaries_pkey;
  alter table subject_summaries add primary key (subject, part);
  alter table subject_summaries set (fillfactor = 50);

  -- Deletions, against accepted writes that are older and still on their way.
  create table removed_ratings (
    subject text not null,
    user_id text not null,
    removed_at timestamptz not null,
    primary key (subject, user_id)
  );
  create index removed_ratings_oldest on removed_ratings (removed_at);

  -- Keys of requests, with what was answered. A user's key counts for all subjects, though it is kept with one.
  create table idempotency_keys (
    subject text not null,
    user_id text not null,
    key text not null,
    fingerprint text not null,
    claimed_at timestamptz not null,
    created_at timestamptz,
    updated_at timestamptz,
    primary key (subject, user_id, key)
  );
  create index idempotency_keys_by_user on idempotency_keys (user_id, key);
  create index idempotency_keys_oldest on idempotency_keys (claimed_at);

  drop function put_ratings(text[], text[], smallint[], text[]);
  drop function remove_rating(text, text);

  -- The part that this connection changes where part 0 is locked.
  create function own_summary_part() returns smallint language sql stable as $$
    select (1 + pg_backend_pid() % 15)::smallint
  $$;

  -- Adds n ratings of a score to a part of a summary.
  create function change_summary(of_subject text, of_part smallint, score smallint, n int) returns void
  language sql volatile as $$
    insert into subject_summaries as s (subject, part, count, scores_1, scores_2, scores_3, scores_4, scores_5)
    values (of_subject, of_part, n, n * (score = 1)::int, n * (score = 2)::int, n * (score = 3)::int,
      n * (score = 4)::int, n * (score = 5)::int)
    on conflict (subject, part) do update set count = s.count + excluded.count,
      scores_1 = s.scores_1 + excluded.scores_1, scores_2 = s.scores_2 + excluded.scores_2,
      scores_3 = s.scores_3 + excluded.scores_3, scores_4 = s.scores_4 + excluded.scores_4,
      scores_5 = s.scores_5 + excluded.scores_5
  $$;

  -- Ends a statement that the network held back until its sender had given it up: it could undo what came since.
  create function keep_deadline(micros bigint) returns void language plpgsql volatile as $$
  begin
    if clock_timestamp() > 'epoch'::timestamptz + micros * interval '1 microsecond' then
      raise query_canceled using message = 'the statement comes too late';
    end if;
  end $$;

  -- Stores ratings and changes the summaries by the difference; of several for the same subject and user the latest. One with a
  -- time of acceptance doesn't replace a rating, or undo a deletion, that is later. Answers, by position: when the rating was
  -- created and changed, unless it was too late; for a known key what was answered before, or that it came with another request.
  create function put_ratings(subjects text[], users text[], scores smallint[], comments text[], accepted_micros bigint[],
    keys text[], fingerprints text[], deadline_micros bigint)
  returns table (n int, created_at timestamptz, updated_at timestamptz, is_reused boolean)
  language plpgsql volatile as $$
  #variable_conflict use_column
  declare
    known bigint[] := '{}';
    quiet text[];
    stored_at timestamptz;
    undone record;
  begin
    if cardinality(array_remove(keys, null)) > 0 then
      with keyed as (
        select * from unnest(subjects, users, keys, fingerprints) with ordinality i (subject, user_id, key, fingerprint, n)
        where key is not null
      ), claimed as (
        insert into idempotency_keys (subject, user_id, key, fingerprint, claimed_at)
        select i.subject, i.user_id, i.key, i.fingerprint, clock_timestamp() from keyed i
        where not exists (select from idempotency_keys k where k.user_id = i.user_id and k.key = i.key)
        order by i.subject, i.user_id, i.key
        on conflict do nothing
        returning subject, user_id, key
      )
      select coalesce(array_agg(i.n), '{}') into known from keyed i
      where not exists (select from claimed c where c.subject = i.subject and c.user_id = i.user_id and c.key = i.key);
    end if;

    insert into subject_summaries (subject)
    select distinct i from unnest(subjects) i
    where not exists (select from subject_summaries s where s.subject = i and s.part = 0)
    order by i on conflict do nothing;
    select coalesce(array_agg(subject), '{}') into quiet from (
      select subject from subject_summaries where subject = any (subjects) and part = 0 for update skip locked
    ) free;

    stored_at := clock_timestamp();
    return query
      with input as (
        select i.*, 'epoch'::timestamptz + micros * interval '1 microsecond' as accepted_at
        from unnest(subjects, users, scores, comments, accepted_micros, keys) with ordinality
          i (subject, user_id, score, comment, micros, key, n)
        where n <> all (known)
      ), latest as (
        select distinct on (subject, user_id) subject, user_id, score, comment, coalesce(accepted_at, stored_at) as changed_at
        from input order by subject, user_id, coalesce(accepted_at, 'infinity') desc, n desc
      ), stored as (
        insert into ratings as r (subject, user_id, score, comment, created_at, updated_at)
        select subject, user_id, score, comment, changed_at, changed_at from latest order by subject, user_id
        on conflict (subject, user_id) do update
          set score = excluded.score, comment = excluded.comment, replaced_score = r.score,
            updated_at = greatest(excluded.updated_at, r.updated_at)
          where excluded.updated_at = stored_at or excluded.updated_at > r.updated_at
        returning r.subject, r.user_id, r.score, r.replaced_score, r.created_at, r.updated_at
      ), change as (
        select c.subject, sum(n) as n,
          coalesce(sum(n) filter (where score = 1), 0) as n1, coalesce(sum(n) filter (where score = 2), 0) as n2,
          coalesce(sum(n) filter (where score = 3), 0) as n3, coalesce(sum(n) filter (where score = 4), 0) as n4,
          coalesce(sum(n) filter (where score = 5), 0) as n5
        from (
          select subject, score, 1 as n from stored
          union all select subject, replaced_score, -1 from stored where replaced_score is not null
        ) c
        group by c.subject
      ), summed as (
        insert into subject_summaries as s (subject, part, count, scores_1, scores_2, scores_3, scores_4, scores_5)
        select subject, case when subject = any (quiet) then 0 else own_summary_part() end, n, n1, n2, n3, n4, n5
        from change order by subject
        on conflict (subject, part) do update set count = s.count + excluded.count,
          scores_1 = s.scores_1 + excluded.scores_1, scores_2 = s.scores_2 + excluded.scores_2,
          scores_3 = s.scores_3 + excluded.scores_3, scores_4 = s.scores_4 + excluded.scores_4,
          scores_5 = s.scores_5 + excluded.scores_5
      ), remembered as (
        update idempotency_keys k set created_at = s.created_at, updated_at = s.updated_at
        from input i join stored s on s.subject = i.subject and s.user_id = i.user_id
        where k.subject = i.subject and k.user_id = i.user_id and k.key = i.key
      )
      select i.n::int, s.created_at, s.updated_at, false
      from input i join stored s on s.subject = i.subject and s.user_id = i.user_id;

    if cardinality(known) > 0 then
      return query
        select i.n::int, coalesce(k.created_at, k.claimed_at), coalesce(k.updated_at, k.claimed_at),
          k.fingerprint <> i.fingerprint
        from unnest(users, keys, fingerprints) with ordinality i (user_id, key, fingerprint, n)
          join idempotency_keys k on k.user_id = i.user_id and k.key = i.key
        where i.n = any (known);
    end if;

    -- A deletion may have been committed while this waited for its rating: it is seen only from here on.
    if cardinality(array_remove(accepted_micros, null)) > 0 then
      for undone in
        delete from ratings r
        using unnest(subjects, users, accepted_micros) i (subject, user_id, micros), removed_ratings d
        where r.subject = i.subject and r.user_id = i.user_id and d.subject = i.subject and d.user_id = i.user_id
          and r.updated_at = 'epoch'::timestamptz + i.micros * interval '1 microsecond' and r.updated_at <= d.removed_at
        returning r.subject, r.score
      loop
        -- The part that the statement above has changed, so that nothing more is waited for.
        perform change_summary(undone.subject, case when undone.subject = any (quiet) then 0 else own_summary_part() end::smallint,
          undone.score, -1);
      end loop;
    end if;
    perform keep_deadline(deadline_micros);
  end $$;

  -- Deletes a rating, and answers whether there was one.
  create function remove_rating(of_subject text, of_user text, deadline_micros bigint) returns boolean
  language plpgsql volatile as $$
  declare
    old_score smallint;
  begin
    delete from ratings where subject = of_subject and user_id = of_user returning score into old_score;
    if old_score is null then
      return false;
    end if;
    insert into removed_ratings as d (subject, user_id, removed_at) values (of_subject, of_user, clock_timestamp())
    on conflict (subject, user_id) do update set removed_at = greatest(d.removed_at, excluded.removed_at);
    perform change_summary(of_subject, own_summary_part(), old_score, -1);
    perform keep_deadline(deadline_micros);
    return true;
  end $$;

  -- Forgets keys and deletions that are older; one caller at a time.
  create function forget_before(limit_time timestamptz) returns void
  language plpgsql volatile as $$
  begin
    if pg_try_advisory_xact_lock(7164232) then
      delete from idempotency_keys where claimed_at < limit_time;
      delete from removed_ratings where removed_at < limit_time;
    end if;
  end $$;
`
