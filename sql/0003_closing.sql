-- SPDX-License-Identifier: MIT
--
-- What is to be closed: an entry whose position is wanted closed before it is known, and how much of a position.

ALTER TABLE orders ADD COLUMN is_closing boolean NOT NULL DEFAULT false;
ALTER TABLE orders ADD COLUMN close_reason text;
ALTER TABLE positions ADD COLUMN closing_quantity numeric(24, 8) CHECK (closing_quantity > 0);

COMMENT ON COLUMN orders.is_closing IS 'an entry: what it becomes is to be closed, however late it turns up';
COMMENT ON COLUMN orders.close_reason IS 'why; NULL: it is not to be closed';
COMMENT ON COLUMN positions.is_closing IS 'a close is wanted until the broker shows it';
COMMENT ON COLUMN positions.closing_quantity IS 'lots of the close that is wanted; NULL: all, or none is wanted';
CREATE INDEX positions_order ON positions (order_id) WHERE closed_at IS NULL;
