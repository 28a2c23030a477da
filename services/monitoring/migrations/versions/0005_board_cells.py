"""The board's numbers that were counted anew each time are cells, and what is there already is counted (services/monitoring/cells.py).

Expand: an old process runs on these tables, but doesn't keep the cells: after the last one has gone, `continuum rebuild monitoring`. The
index for whose cases somebody sees stays.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLE = """
CREATE TABLE copy.board_cell (
    scope text, viewer text, kind text, a text, b text, c text, count int NOT NULL, PRIMARY KEY (scope, viewer, kind, a, b, c)
) WITH (fillfactor = 70)
"""
TALLIES = """
WITH follow_up AS (
    SELECT case_id, count(*) FILTER (WHERE body ->> 'done_at' IS NOT NULL) AS done,
      count(*) FILTER (WHERE body ->> 'missed_at' IS NOT NULL) AS missed,
      count(*) FILTER (WHERE body ->> 'made_up_at' IS NOT NULL) AS made_up
    FROM own.follow_up GROUP BY 1
), alert AS (
    SELECT case_id, jsonb_object_agg(id, jsonb_build_object('rule', rule, 'agency', agency, 'rung', rung, 'is_open', is_open,
      'on', ((body ->> 'raised_at')::timestamptz AT TIME ZONE 'UTC')::date, 'has_climbed', (body ->> 'escalations')::int > 0)) AS alerts
    FROM own.alert GROUP BY 1
)
UPDATE copy.case_view v SET body = v.body || jsonb_build_object('tally', jsonb_build_object('done', coalesce(f.done, 0),
  'missed', coalesce(f.missed, 0), 'made_up', coalesce(f.made_up, 0), 'alerts', coalesce(a.alerts, '{}'::jsonb)))
FROM follow_up f FULL JOIN alert a USING (case_id) WHERE v.id = case_id
"""
CELLS = """
INSERT INTO copy.board_cell
WITH viewer AS (
    SELECT id, 'AGENCY' AS scope, jsonb_array_elements_text(body -> 'active') AS viewer FROM copy.sharing
    UNION ALL SELECT id, 'REGION', region FROM copy.case_view
), told AS (
    SELECT v.id, a.key, a.value AS body FROM copy.case_view v CROSS JOIN LATERAL jsonb_each(v.body #> '{tally,alerts}') a
), alert AS (
    SELECT key, scope, viewer, told.body FROM told JOIN viewer USING (id) UNION SELECT key, 'AGENCY', body ->> 'agency', body FROM told
)
SELECT scope, viewer, 'STOCK', holder, stage, '', count(*) FROM copy.case_view JOIN viewer USING (id)
  WHERE scope = 'AGENCY' AND stage NOT IN ('CLOSED', 'DECLINED', 'REDIRECTED') AND jsonb_array_length(case_view.body -> 'steps') > 0
  GROUP BY 1, 2, 4, 5
UNION ALL SELECT scope, viewer, 'FLOW', from_agency, to_agency, '', count(*) FROM copy.hand_off JOIN viewer ON viewer.id = case_id
  WHERE scope = 'AGENCY' GROUP BY 1, 2, 4, 5
UNION ALL SELECT scope, viewer, 'FOLLOW_UP', t.key, '', '', sum(t.value::text::int) FROM copy.case_view
  CROSS JOIN LATERAL jsonb_each(body -> 'tally') t JOIN viewer USING (id) WHERE t.key <> 'alerts' GROUP BY 1, 2, 4
UNION ALL SELECT scope, viewer, 'RAISED_ALERT', body ->> 'rule', '', '', count(*) FROM alert GROUP BY 1, 2, 4
UNION ALL SELECT scope, viewer, 'ESCALATED_ALERT', '', '', '', count(*) FROM alert WHERE (body ->> 'has_climbed')::bool GROUP BY 1, 2
UNION ALL SELECT scope, viewer, 'OPEN_ALERT', body ->> 'rule', body ->> 'rung', body ->> 'on', count(*) FROM alert
  WHERE (body ->> 'is_open')::bool GROUP BY 1, 2, 4, 5, 6
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(TALLIES)
    op.execute(CELLS)
