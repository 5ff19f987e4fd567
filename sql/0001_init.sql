-- SPDX-License-Identifier: MIT
--
-- The tables of the history and of the office.
--
-- History is a copy: the projector folds the engine's journal into it, and it can be made again from the journal at
-- any time. Its numbers (signals, orders, trades, logs) are the journal's. Times are market time, except where a
-- column says wall clock. Money and volumes are NUMERIC(24,8), prices NUMERIC; what is measured (bars, ratios) is
-- double precision. Names of what comes from the engine's vocabulary are checked here, so that a row that nobody
-- can interpret does not get in.
--
-- The office's own tables (operators, operator_sessions, audit_log) are not in the journal.

-- ---- state of the projector ----------------------------------------------------------------------

CREATE TABLE projector_state (
  id              smallint    PRIMARY KEY CHECK (id = 1),
  applied         bigint      NOT NULL CHECK (applied >= 0),
  applied_wall_us bigint      NOT NULL,
  updated_at      timestamptz NOT NULL
);
COMMENT ON TABLE projector_state IS 'One row: how far the journal is in the tables. Written in the transaction that writes the rows.';
COMMENT ON COLUMN projector_state.applied IS 'number of the newest applied event; 0: none';
COMMENT ON COLUMN projector_state.applied_wall_us IS 'its wall clock, microseconds: with its number it tells whether the journal is the one that was applied';
COMMENT ON COLUMN projector_state.updated_at IS 'wall clock of the database';
INSERT INTO projector_state VALUES (1, 0, 0, now());

-- Moves the mark, or fails the whole transaction when another projector has moved it meanwhile.
CREATE FUNCTION projector_advance(was bigint, now_at bigint, now_wall_us bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  UPDATE projector_state SET applied = now_at, applied_wall_us = now_wall_us, updated_at = clock_timestamp()
    WHERE id = 1 AND applied = was;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the tables are not at event %', was USING ERRCODE = 'serialization_failure';
  END IF;
END $$;

-- Milliseconds since 1970 UTC to a time, and back. A double holds the seconds of our times to a quarter of a
-- microsecond, so rounding gives the very millisecond. STABLE as their bodies are: so they are inlined.
CREATE FUNCTION ms_to_time(ms bigint) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT to_timestamp(ms::double precision / 1000) $$;
CREATE FUNCTION time_to_ms(t timestamptz) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT round(date_part('epoch', t) * 1000)::bigint $$;

-- ---- users, sessions, accounts -------------------------------------------------------------------

CREATE TABLE users (
  id                 bigint      PRIMARY KEY CHECK (id > 0),
  broker_id          text        NOT NULL CHECK (broker_id <> ''),
  email              text        NOT NULL CHECK (email <> ''),
  broker_number      text,
  encrypted_password bytea,
  name               text,
  is_active          boolean     NOT NULL DEFAULT true,
  created_at         timestamptz NOT NULL,
  updated_at         timestamptz NOT NULL,
  deleted_at         timestamptz
);
COMMENT ON TABLE users IS 'A login at a broker. A removed one keeps its row, because its history refers to it.';
COMMENT ON COLUMN users.id IS 'number in the engine''s vault, never given twice; above 10^12: from a journal that knew no such numbers';
COMMENT ON COLUMN users.broker_id IS 'profile of the broker';
COMMENT ON COLUMN users.broker_number IS 'the broker''s own number, as its login needs it';
COMMENT ON COLUMN users.encrypted_password IS 'copy of the vault''s sealed bytes; the engine never reads it';
COMMENT ON COLUMN users.deleted_at IS 'when it was removed; NULL: it is there';
CREATE UNIQUE INDEX users_broker_email ON users (broker_id, email) WHERE deleted_at IS NULL;
CREATE INDEX users_email ON users (email);

CREATE TABLE account_groups (
  broker_id  text        NOT NULL,
  name       text        NOT NULL CHECK (name <> ''),
  created_at timestamptz NOT NULL,
  PRIMARY KEY (broker_id, name)
);
COMMENT ON TABLE account_groups IS 'Accounts that a broker treats alike: suffixes of symbols, markups, steps.';

CREATE TABLE accounts (
  id                   text           PRIMARY KEY CHECK (id <> ''),
  user_id              bigint         NOT NULL REFERENCES users ON UPDATE CASCADE,
  trading_account_uuid text           UNIQUE,
  broker_id            text           NOT NULL,
  system_uuid          text,
  group_name           text,
  balance              numeric(24, 8),
  equity               numeric(24, 8),
  margin               numeric(24, 8),
  free_margin          numeric(24, 8),
  balance_first        numeric(24, 8),
  leverage             integer        CHECK (leverage >= 0),
  currency             text           NOT NULL CHECK (currency <> ''),
  is_paused            boolean        NOT NULL DEFAULT false,
  paused_reason        text,
  read_at              timestamptz,
  created_at           timestamptz    NOT NULL,
  updated_at           timestamptz    NOT NULL,
  FOREIGN KEY (broker_id, group_name) REFERENCES account_groups
);
COMMENT ON TABLE accounts IS 'A trading account with its newest money figures.';
COMMENT ON COLUMN accounts.id IS 'the broker''s id of the trading account';
COMMENT ON COLUMN accounts.system_uuid IS 'the broker''s back end';
COMMENT ON COLUMN accounts.balance IS 'NULL: not read yet; equity, margin and free margin likewise';
COMMENT ON COLUMN accounts.balance_first IS 'the first balance that was seen';
COMMENT ON COLUMN accounts.read_at IS 'when positions and balance were last read after a login';
COMMENT ON COLUMN accounts.leverage IS '100 is 1:100';
CREATE INDEX accounts_user ON accounts (user_id);

CREATE TABLE user_sessions (
  id                 bigint      PRIMARY KEY,
  user_id            bigint      NOT NULL REFERENCES users ON UPDATE CASCADE,
  token              bytea,
  trading_api_token  bytea,
  trading_account_id text,
  accounts           integer     NOT NULL CHECK (accounts >= 0),
  login_at           timestamptz NOT NULL,
  expires_at         timestamptz,
  is_active          boolean     NOT NULL,
  last_refresh_at    timestamptz,
  closed_at          timestamptz,
  closed_reason      text,
  CHECK (is_active = (closed_at IS NULL))
);
COMMENT ON TABLE user_sessions IS 'A session of a user at the broker, from its login to its end.';
COMMENT ON COLUMN user_sessions.id IS 'number of its session_opened event';
COMMENT ON COLUMN user_sessions.token IS 'copy of the vault''s sealed bytes, as trading_api_token; the engine never reads it';
COMMENT ON COLUMN user_sessions.trading_account_id IS 'first account of the session';
COMMENT ON COLUMN user_sessions.accounts IS 'number of trading accounts in it';
COMMENT ON COLUMN user_sessions.closed_reason IS 'replaced: a newer login; failed: ...; else what the session_closed event says';
CREATE UNIQUE INDEX user_sessions_active ON user_sessions (user_id) WHERE is_active;
CREATE INDEX user_sessions_user ON user_sessions (user_id, id);

CREATE TABLE instruments (
  broker_id     text           NOT NULL,
  symbol        text           NOT NULL,
  canonical     text           NOT NULL,
  base          text,
  quote         text,
  price_digits  integer        NOT NULL CHECK (price_digits BETWEEN 0 AND 18),
  volume_digits integer        NOT NULL CHECK (volume_digits BETWEEN 0 AND 8),
  volume_min    numeric(24, 8),
  volume_max    numeric(24, 8),
  volume_step   numeric(24, 8),
  contract_size numeric(24, 8),
  leverage      integer,
  stops_level   integer,
  commission    numeric(24, 8),
  updated_at    timestamptz    NOT NULL,
  PRIMARY KEY (broker_id, symbol)
);
COMMENT ON TABLE instruments IS 'Contract data of a symbol at a broker, as last told.';
COMMENT ON COLUMN instruments.symbol IS 'as the broker spells it';
COMMENT ON COLUMN instruments.canonical IS 'our name';
COMMENT ON COLUMN instruments.leverage IS 'cap of the instrument; 0: the account''s';
COMMENT ON COLUMN instruments.stops_level IS 'least distance of stop and target, points';
COMMENT ON COLUMN instruments.commission IS 'per lot and side, account currency';

-- ---- signals, orders, positions, trades ----------------------------------------------------------

CREATE TABLE trading_signals (
  id                  bigint           PRIMARY KEY CHECK (id > 0),
  symbol              text             NOT NULL,
  signal_type         text             NOT NULL CHECK (signal_type IN ('LONG', 'SHORT', 'CLOSE')),
  strategy            text             NOT NULL,
  strategy_hash       text,
  strength            double precision CHECK (strength BETWEEN 0 AND 1),
  confidence          double precision CHECK (confidence BETWEEN 0 AND 1),
  volume_ratio        double precision,
  orderbook_imbalance double precision CHECK (orderbook_imbalance BETWEEN 0 AND 1),
  price               numeric,
  stop_loss           numeric,
  take_profit         numeric,
  reason              text,
  operator            text,
  conditions          jsonb,
  plan                jsonb,
  refused_rule        text,
  refused_reason      text,
  legs                integer,
  sent                integer,
  accepted            integer,
  rejected            integer,
  unknown             integer,
  not_sent            integer,
  volume              numeric(24, 8),
  skew_us             bigint,
  elapsed_us          bigint,
  done_at             timestamptz,
  created_at          timestamptz      NOT NULL
);
COMMENT ON TABLE trading_signals IS 'What a strategy said, and what came of it.';
COMMENT ON COLUMN trading_signals.strategy IS 'instance; manual: an operator';
COMMENT ON COLUMN trading_signals.strategy_hash IS 'version of the script';
COMMENT ON COLUMN trading_signals.operator IS 'who gave it by hand';
COMMENT ON COLUMN trading_signals.volume_ratio IS 'value of its first condition of that name, as orderbook_imbalance is';
COMMENT ON COLUMN trading_signals.plan IS 'exit plan';
COMMENT ON COLUMN trading_signals.refused_rule IS 'why it became no order at all';
COMMENT ON COLUMN trading_signals.legs IS 'accounts of its fan-out; NULL: no fan-out has ended. The counts after it are its outcomes';
COMMENT ON COLUMN trading_signals.volume IS 'lots accepted';
COMMENT ON COLUMN trading_signals.skew_us IS 'first to last first byte';
COMMENT ON COLUMN trading_signals.elapsed_us IS 'signal to last answer';
CREATE INDEX trading_signals_created ON trading_signals (created_at, id);

CREATE TABLE orders (
  id              bigint         PRIMARY KEY CHECK (id > 0 AND id < 281474976710656),
  user_id         bigint         NOT NULL REFERENCES users ON UPDATE CASCADE,
  account_id      text           NOT NULL REFERENCES accounts,
  order_uuid      uuid           NOT NULL UNIQUE GENERATED ALWAYS AS
                    (('00000000-0000-8000-8000-' || lpad(to_hex(id), 12, '0'))::uuid) STORED,
  signal_id       bigint         REFERENCES trading_signals,
  batch_id        bigint,
  operation       text           NOT NULL CHECK (operation IN ('open', 'close', 'close_partial', 'edit')),
  symbol          text           NOT NULL,
  side            text           NOT NULL CHECK (side IN ('LONG', 'SHORT')),
  order_type      text           NOT NULL DEFAULT 'MARKET' CHECK (order_type IN ('MARKET', 'LIMIT')),
  quantity        numeric(24, 8) NOT NULL CHECK (quantity >= 0),
  entry_price     numeric,
  executed_price  numeric,
  stop_loss       numeric,
  take_profit     numeric,
  state           text           NOT NULL CHECK (state IN
                    ('intent', 'sent', 'accepted', 'rejected', 'unknown', 'absent', 'not_sent')),
  status          text           NOT NULL GENERATED ALWAYS AS (CASE
                    WHEN closed_at IS NOT NULL THEN 'CLOSED'
                    WHEN state = 'accepted' AND operation = 'open' THEN 'OPEN'
                    WHEN state = 'accepted' THEN 'CLOSED'
                    WHEN state IN ('intent', 'sent') THEN 'PENDING'
                    WHEN state = 'rejected' THEN 'REJECTED'
                    WHEN state = 'unknown' THEN 'UNKNOWN'
                    ELSE 'CANCELLED' END) STORED,
  position_id     text,
  reason          text,
  attempt         integer        NOT NULL DEFAULT 1,
  queued_us       bigint,
  latency_us      bigint,
  created_at      timestamptz    NOT NULL,
  updated_at      timestamptz    NOT NULL,
  executed_at     timestamptz,
  closed_at       timestamptz
);
COMMENT ON TABLE orders IS 'An order to a broker: openings, closes, partial closes and edits of positions.';
COMMENT ON COLUMN orders.id IS 'the engine''s order number';
COMMENT ON COLUMN orders.order_uuid IS 'the number in the form of a UUID of version 8';
COMMENT ON COLUMN orders.batch_id IS 'fan-out; NULL: alone';
COMMENT ON COLUMN orders.side IS 'of the position';
COMMENT ON COLUMN orders.entry_price IS 'reference price of the request';
COMMENT ON COLUMN orders.executed_price IS 'price of the position that came of it';
COMMENT ON COLUMN orders.state IS 'state of the engine''s order machine; status is made from it: intent and sent are PENDING, accepted is OPEN while its position is open, and CLOSED afterwards; an accepted close or edit is CLOSED at once; absent and not_sent are CANCELLED';
COMMENT ON COLUMN orders.position_id IS 'the broker''s position that it opened or is about';
COMMENT ON COLUMN orders.reason IS 'why it was rejected, lost or not sent; before that the exit''s reason';
COMMENT ON COLUMN orders.queued_us IS 'from the intent to its first byte';
COMMENT ON COLUMN orders.latency_us IS 'from its first byte to the answer';
COMMENT ON COLUMN orders.executed_at IS 'when the broker had taken it';
COMMENT ON COLUMN orders.closed_at IS 'when its position was closed; of a close or an edit: when it was taken';
CREATE INDEX orders_created ON orders (created_at, id);
CREATE INDEX orders_user ON orders (user_id, created_at, id);
CREATE INDEX orders_symbol ON orders (symbol, created_at, id);
CREATE INDEX orders_status ON orders (status, created_at, id);

CREATE TABLE positions (
  account_id   text           NOT NULL REFERENCES accounts,
  id           text           NOT NULL CHECK (id <> ''),
  order_id     bigint,
  signal_id    bigint,
  symbol       text           NOT NULL,
  side         text           NOT NULL CHECK (side IN ('LONG', 'SHORT')),
  quantity     numeric(24, 8) NOT NULL CHECK (quantity >= 0),
  entry_price  numeric        NOT NULL,
  stop_loss    numeric,
  take_profit  numeric,
  holding_ms   bigint,
  is_ours      boolean        NOT NULL,
  is_closing   boolean        NOT NULL DEFAULT false,
  close_reason text,
  opened_at    timestamptz    NOT NULL,
  closed_at    timestamptz,
  updated_at   timestamptz    NOT NULL,
  PRIMARY KEY (account_id, id)
);
COMMENT ON TABLE positions IS 'Positions that the broker showed, open ones and closed ones.';
COMMENT ON COLUMN positions.id IS 'the broker''s id; unique in its account only';
COMMENT ON COLUMN positions.quantity IS 'lots that are open; of a closed one: what was open before its last close';
COMMENT ON COLUMN positions.holding_ms IS 'longest holding by the exit plan; NULL: none';
COMMENT ON COLUMN positions.is_ours IS 'opened by an order of this engine';
CREATE INDEX positions_open ON positions (account_id) WHERE closed_at IS NULL;

CREATE TABLE trades (
  id                  bigint         PRIMARY KEY CHECK (id > 0),
  order_id            bigint         REFERENCES orders,
  user_id             bigint         NOT NULL REFERENCES users ON UPDATE CASCADE,
  account_id          text           NOT NULL REFERENCES accounts,
  signal_id           bigint         REFERENCES trading_signals,
  uid                 text           NOT NULL CHECK (uid <> ''),
  position_id         text           NOT NULL,
  strategy            text,
  strategy_hash       text,
  symbol              text           NOT NULL,
  side                text           NOT NULL CHECK (side IN ('LONG', 'SHORT')),
  entry_price         numeric        NOT NULL,
  exit_price          numeric        NOT NULL,
  quantity            numeric(24, 8) NOT NULL CHECK (quantity > 0),
  profit_loss         numeric(24, 8) NOT NULL,
  profit_loss_percent numeric        NOT NULL GENERATED ALWAYS AS (CASE
                        WHEN entry_price = 0 THEN 0
                        WHEN side = 'LONG' THEN round((exit_price - entry_price) * 100 / entry_price, 6)
                        ELSE round((entry_price - exit_price) * 100 / entry_price, 6) END) STORED,
  commission          numeric(24, 8) NOT NULL,
  swap                numeric(24, 8) NOT NULL,
  net                 numeric(24, 8) NOT NULL,
  currency            text           NOT NULL,
  duration_seconds    bigint         NOT NULL CHECK (duration_seconds >= 0),
  reason              text           NOT NULL,
  is_partial          boolean        NOT NULL,
  executed_at         timestamptz    NOT NULL,
  closed_at           timestamptz    NOT NULL,
  UNIQUE (account_id, uid)
);
COMMENT ON TABLE trades IS 'A closing of a position, or of a part of it: partial closes repeat the position''s id, the uid tells them apart.';
COMMENT ON COLUMN trades.id IS 'number of its position_closed event';
COMMENT ON COLUMN trades.order_id IS 'that opened the position; NULL: it was not ours';
COMMENT ON COLUMN trades.uid IS 'the broker''s id of the closing';
COMMENT ON COLUMN trades.strategy IS 'that gave the signal, as strategy_hash (version of its script)';
COMMENT ON COLUMN trades.profit_loss IS 'gross, account currency';
COMMENT ON COLUMN trades.profit_loss_percent IS 'move of the price in its favour, percent of the entry price';
COMMENT ON COLUMN trades.net IS 'profit_loss + commission + swap';
COMMENT ON COLUMN trades.reason IS 'target, stop, opposite, time, end, manual';
COMMENT ON COLUMN trades.executed_at IS 'when the position was opened';
CREATE INDEX trades_closed ON trades (closed_at, id);
CREATE INDEX trades_user ON trades (user_id, closed_at, id);
CREATE INDEX trades_user_executed ON trades (user_id, executed_at);
CREATE INDEX trades_symbol ON trades (symbol, closed_at, id);

CREATE TABLE trade_days (
  day         date           NOT NULL,
  user_id     bigint         NOT NULL REFERENCES users ON UPDATE CASCADE,
  symbol      text           NOT NULL,
  side        text           NOT NULL,
  currency    text           NOT NULL,
  result      text           NOT NULL CHECK (result IN ('win', 'loss', 'even')),
  trades      bigint         NOT NULL,
  net         numeric(24, 8) NOT NULL,
  seconds     bigint         NOT NULL,
  best        numeric(24, 8) NOT NULL,
  best_id     bigint         NOT NULL,
  worst       numeric(24, 8) NOT NULL,
  worst_id    bigint         NOT NULL,
  PRIMARY KEY (day, user_id, symbol, side, currency, result)
);
COMMENT ON TABLE trade_days IS 'Trades summed up by the day (UTC) of their close, for figures with a filter over long periods.';
COMMENT ON COLUMN trade_days.seconds IS 'sum of the durations';
COMMENT ON COLUMN trade_days.best_id IS 'trade with the best net result; worst_id likewise';

CREATE TABLE user_days (
  day         date           NOT NULL,
  user_id     bigint         NOT NULL REFERENCES users ON UPDATE CASCADE,
  currency    text           NOT NULL,
  trades      bigint         NOT NULL,
  wins        bigint         NOT NULL,
  losses      bigint         NOT NULL,
  net         numeric(24, 8) NOT NULL,
  seconds     bigint         NOT NULL,
  best        numeric(24, 8) NOT NULL,
  best_id     bigint         NOT NULL,
  worst       numeric(24, 8) NOT NULL,
  worst_id    bigint         NOT NULL,
  PRIMARY KEY (day, user_id, currency)
);
COMMENT ON TABLE user_days IS 'The same sums for all symbols, sides and results together: figures over years read few rows.';

CREATE TABLE balances (
  account_id  text           NOT NULL REFERENCES accounts,
  at          timestamptz    NOT NULL,
  seq         bigint         NOT NULL,
  balance     numeric(24, 8) NOT NULL,
  equity      numeric(24, 8),
  margin      numeric(24, 8),
  free_margin numeric(24, 8),
  PRIMARY KEY (account_id, at, seq)
);
COMMENT ON TABLE balances IS 'The money figures of an account each time that the broker showed others.';
COMMENT ON COLUMN balances.seq IS 'number of its event';

CREATE TABLE candles (
  symbol      text             NOT NULL,
  timeframe   text             NOT NULL,
  open_time   timestamptz      NOT NULL,
  open        double precision NOT NULL,
  high        double precision NOT NULL,
  low         double precision NOT NULL,
  close       double precision NOT NULL,
  volume      double precision NOT NULL,
  buy_volume  double precision,
  sell_volume double precision,
  source      text,
  side_source text,
  PRIMARY KEY (symbol, timeframe, open_time)
);
COMMENT ON TABLE candles IS 'Closed bars of the market that strategies saw.';
COMMENT ON COLUMN candles.side_source IS 'where the split of the volume comes from: recorded, modelled, tick_rule or none';

CREATE TABLE system_logs (
  id         bigint      PRIMARY KEY,
  log_level  text        NOT NULL CHECK (log_level IN ('debug', 'info', 'warn', 'error')),
  component  text        NOT NULL,
  message    text        NOT NULL,
  metadata   jsonb,
  created_at timestamptz NOT NULL,
  logged_at  timestamptz NOT NULL
);
COMMENT ON TABLE system_logs IS 'Events that have no table of their own, and events that could not be stored in theirs.';
COMMENT ON COLUMN system_logs.id IS 'number of the event';
COMMENT ON COLUMN system_logs.metadata IS 'kind and fields of the event';
COMMENT ON COLUMN system_logs.logged_at IS 'wall clock';
CREATE INDEX system_logs_level ON system_logs (log_level, id);

-- ---- the office's own ----------------------------------------------------------------------------

CREATE TABLE operators (
  id                   bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  username             text        NOT NULL CHECK (username <> ''),
  password_hash        text        NOT NULL,
  role                 text        NOT NULL CHECK (role IN ('viewer', 'trader', 'admin')),
  must_change_password boolean     NOT NULL DEFAULT true,
  is_active            boolean     NOT NULL DEFAULT true,
  failed_count         integer     NOT NULL DEFAULT 0 CHECK (failed_count >= 0),
  locked_until         timestamptz,
  created_at           timestamptz NOT NULL DEFAULT now(),
  updated_at           timestamptz NOT NULL DEFAULT now(),
  last_login_at        timestamptz
);
COMMENT ON TABLE operators IS 'People who may sign in at the office. All times are wall clock.';
COMMENT ON COLUMN operators.password_hash IS 'Argon2id, as libsodium writes it';
COMMENT ON COLUMN operators.failed_count IS 'wrong passwords since the last right one';
CREATE UNIQUE INDEX operators_username ON operators (lower(username));

CREATE TABLE operator_sessions (
  id           bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  operator_id  bigint      NOT NULL REFERENCES operators ON DELETE CASCADE,
  token_hash   text        NOT NULL UNIQUE,
  csrf_hash    text        NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  expires_at   timestamptz NOT NULL,
  ip           text
);
COMMENT ON TABLE operator_sessions IS 'Sign-ins of operators. Only hashes of the tokens are kept. All times are wall clock.';
CREATE INDEX operator_sessions_operator ON operator_sessions (operator_id);
CREATE INDEX operator_sessions_expires ON operator_sessions (expires_at);

CREATE TABLE audit_log (
  id          bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  at          timestamptz NOT NULL DEFAULT now(),
  operator    text,
  action      text        NOT NULL,
  target      text,
  details     jsonb,
  ok          boolean     NOT NULL,
  reason      text,
  ip          text,
  journal_seq bigint      UNIQUE
);
COMMENT ON TABLE audit_log IS 'Who changed what, and who tried to.';
COMMENT ON COLUMN audit_log.at IS 'wall clock';
COMMENT ON COLUMN audit_log.operator IS 'name; NULL: nobody was signed in';
COMMENT ON COLUMN audit_log.details IS 'secrets as ***';
COMMENT ON COLUMN audit_log.journal_seq IS 'number of the command event; NULL: it was no command to the engine';
