-- Of the requests that arrived, forget those that a sender sent again. Read records.sql next, which stores the others.
-- $since, the earliest arrival among them, spares looking at what is older.
DELETE FROM arrived WHERE EXISTS (
  SELECT 1 FROM stored.requests AS known
  WHERE known.t >= $since AND known.t = arrived.t
    AND known.request_id IS NOT DISTINCT FROM arrived.request_id
    AND known.instance IS NOT DISTINCT FROM arrived.instance
);
