-- SPDX-License-Identifier: MIT
--
-- Limit and stop orders: they are created, edited and cancelled, rest at the broker, and become a position or not.

ALTER TABLE orders DROP CONSTRAINT orders_operation_check;
ALTER TABLE orders ADD CONSTRAINT orders_operation_check CHECK (operation IN
  ('open', 'close', 'close_partial', 'edit', 'pending', 'pending_edit', 'cancel'));
ALTER TABLE orders DROP CONSTRAINT orders_order_type_check;
ALTER TABLE orders ADD CONSTRAINT orders_order_type_check CHECK (order_type IN ('MARKET', 'LIMIT', 'STOP'));
ALTER TABLE orders ADD COLUMN resting text CHECK (resting IN ('resting', 'triggered', 'cancelled'));
ALTER TABLE orders ADD COLUMN is_ambiguous boolean NOT NULL DEFAULT false;

ALTER TABLE orders DROP COLUMN status;
ALTER TABLE orders ADD COLUMN status text NOT NULL GENERATED ALWAYS AS (CASE
  WHEN closed_at IS NOT NULL THEN 'CLOSED'
  WHEN state = 'accepted' AND operation = 'pending' AND resting = 'cancelled' THEN 'CANCELLED'
  WHEN state = 'accepted' AND operation = 'pending' AND resting IS DISTINCT FROM 'triggered' THEN 'PENDING'
  WHEN state = 'accepted' AND operation IN ('open', 'pending') THEN 'OPEN'
  WHEN state = 'accepted' THEN 'CLOSED'
  WHEN state IN ('intent', 'sent') THEN 'PENDING'
  WHEN state = 'rejected' THEN 'REJECTED'
  WHEN state = 'unknown' THEN 'UNKNOWN'
  ELSE 'CANCELLED' END) STORED;
CREATE INDEX orders_status ON orders (status, created_at, id);

COMMENT ON TABLE orders IS 'An order to a broker: openings, closes, partial closes and edits of positions; creations, edits and cancels of pending orders.';
COMMENT ON COLUMN orders.order_type IS 'MARKET; of a pending order and of writes to one LIMIT or STOP';
COMMENT ON COLUMN orders.entry_price IS 'reference price of the request; of a pending order its activation price now';
COMMENT ON COLUMN orders.state IS 'state of the engine''s order machine; status is made from it: intent and sent are PENDING, accepted is OPEN while its position is open, and CLOSED afterwards; an accepted pending order is PENDING while it rests, OPEN once it was triggered, CANCELLED when it went without; an accepted close, edit or cancel is CLOSED at once; absent and not_sent are CANCELLED';
COMMENT ON COLUMN orders.position_id IS 'the broker''s position that it opened or is about; of a pending order and of writes to one its id, until it is triggered';
COMMENT ON COLUMN orders.resting IS 'of a pending order that was accepted: resting, triggered or cancelled; NULL: not shown yet';
COMMENT ON COLUMN orders.is_ambiguous IS 'several things at the broker could be it: the operator has to say which';
