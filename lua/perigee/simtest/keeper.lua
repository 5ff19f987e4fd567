-- SPDX-License-Identifier: MIT
-- A fault run from its first to its last moment: the broker, the lives of the engine, what is asked of it, and the
-- verdict. It lives beside the engine in a state of its own and reaches it by perigee.simtest.core alone.

local clock = require "perigee.clock"
local core = require "perigee.simtest.core"
local fs = require "perigee.fs"
local task = require "perigee.task"
local accounts = require "perigee.simtest.account"
local checker = require "perigee.simtest.checker"
local digest = require "perigee.simtest.digest"
local faults = require "perigee.simtest.faults"
local orders = require "perigee.simtest.orders"
local plan = require "perigee.simtest.plan"
local trace = require "perigee.simtest.trace"
local venue = require "perigee.simtest.venue"

local keeper = {}

local SECOND = 1000
local MOST_LIVES = 120 -- two outages of 40 s end that many lives that never reached the broker, and a few more
local RESTART_MS = 1000 -- after an engine that has stopped by itself, as a supervisor waits

--- What the engine is started with; everything else is as it ships.
keeper.LIMITS = { max_positions = 3, per_trade = 0.01, absent_after_ms = 30000, absent_reads = 3 }

local function read_options()
  local given = core.options()
  local function number(name) return tonumber(given[name]) end
  local o = { seed = math.tointeger(number "seed"), minutes = number "minutes",
    accounts = math.tointeger(number "accounts"), signals = math.tointeger(number "signals"),
    kills = math.tointeger(number "kills"), samples = math.tointeger(number "samples"), spare = given.spare,
    watch = given.watch, alone = given.alone == "true", calm = given.calm == "true", trace = given.trace == "true" }
  if given.kill then
    local kind, n, share = given.kill:match("^(%a+):(%d+):?([%d.]*)$")
    o.kill = { kind = kind, n = math.tointeger(tonumber(n)), share = tonumber(share) or 0.5 }
  end
  return o
end

local finish

-- ---- the engine's lives --------------------------------------------------------------------------

local function overrides(run)
  return { "data.dir=" .. run.data, "paper.address=" .. run.venue.address, "paper.credentials=" .. run.venue.logins,
    "paper.accounts=" .. run.options.accounts, "strategy.file=lua/perigee/simtest/quiet.lua", "journal.sync=off",
    "risk.per_trade=" .. keeper.LIMITS.per_trade, "risk.max_positions=" .. keeper.LIMITS.max_positions,
    "orders.absent_after_ms=" .. keeper.LIMITS.absent_after_ms,
    "orders.budget_requests=" .. run.plan.budget }
end

local function begin_life(run)
  if run.ended then return end
  run.life = run.life + 1
  run.account:begin(run.data .. "/journal")
  local kill = run.plan.kills[run.life]
  core.arm()
  if kill and clock.io_ms() < run.plan.quiet_ms then core.arm(kill.kind, kill.n, kill.share) end
  core.start(overrides(run))
end

local function on_down(run, how, code)
  run.downs[#run.downs + 1] = { at_ms = clock.io_ms(), how = how, code = code }
  run.venue:note { what = how == "killed" and "---- the engine was killed"
    or ("---- the engine stopped by itself, code %d"):format(code) }
  run.account:read()
  if #run.downs == MOST_LIVES then
    run.checker:violation("alive", "the engine ended %d times", #run.downs)
    return finish(run)
  end
  local kill = run.plan.kills[run.life]
  local pause = how == "killed" and kill and kill.down_ms or RESTART_MS
  task.spawn(function()
    task.sleep(pause, "io")
    begin_life(run)
  end)
end

-- ---- the world around it -------------------------------------------------------------------------

local function tick(run)
  run.venue:advance()
  local q = run.venue.sim:quote("BTCUSD")
  if q then core.quote(clock.market_ms(), tonumber(q.bid), tonumber(q.ask)) end
end

local function run_market(run)
  while true do
    tick(run)
    run.account:read()
    run.checker:tick()
    if not task.sleep(SECOND, "io") then return end
  end
end

local function sleep_until(at_ms)
  local left = at_ms - clock.io_ms()
  if left > 0 then task.sleep(left, "io") end
end

local function run_outages(run)
  for _, o in ipairs(run.plan.outages) do
    task.spawn(function()
      sleep_until(o.from_ms)
      run.venue:note { what = ("---- the broker is away for %d ms"):format(o.to_ms - o.from_ms) }
      core.cut(o.finish)
    end)
  end
end

local function run_actions(run)
  for _, action in ipairs(run.plan.actions) do
    sleep_until(action.at_ms)
    orders.give(run, action)
  end
end

local function describe(p)
  if not p then return nil end
  if p.refusal then return p.refusal end
  local parts = {}
  for _, name in ipairs({ "request_bytes", "answer_bytes", "finish", "garbage_at", "idle_ms", "piece" }) do
    if p[name] then parts[#parts + 1] = name .. "=" .. tostring(p[name]) end
  end
  for _, name in ipairs({ "request_ms", "answer_ms" }) do
    if p[name] and p[name] > 10 then parts[#parts + 1] = ("%s=%d"):format(name, p[name] // 1) end
  end
  return parts[1] and table.concat(parts, " ")
end

-- Nothing goes wrong with an account, with those of its login, nor with all, and the engine has been there for long.
local function is_calm(run, account)
  local last, b = run.downs[#run.downs], run.venue.broker
  if #run.plan.outages > 0 or not core.running() or last and clock.io_ms() - last.at_ms < 60 * SECOND then
    return false
  end
  for _, id in ipairs(b.sessions.users[b.accounts[account].user].accounts) do
    local nature = run.plan.natures[id]
    if nature.share + nature.refusals > 0 then return false end
  end
  return true
end

local function watch_network(run)
  core.on("exchange", function(_, nth, bytes)
    local p, account = run.faults:exchange(bytes, clock.io_ms())
    local fault = describe(p)
    if fault then
      run.venue:note { account = account, fault = fault,
        what = ("wire: %s, exchange %d of its connection"):format(bytes:match("^(%u+ [^ ?]*)") or "?", nth) }
    end
    return p
  end)
  core.on("connect", function()
    local outage = run.faults:outage(clock.io_ms())
    -- Connections are shared: one that another account's fault has ended must not cost this one time.
    return outage and outage.how or run.options.alone and "at once" or nil
  end)
  core.on("sending", function(bytes) run.checker:sending(run.venue:account_of(bytes), bytes) end)
  run.checker.calm = function(account) return is_calm(run, account) end
  run.checker.on_ambiguous = function(e) orders.resolve(run, e) end
  core.on("down", function(how, code) on_down(run, how, code) end)
end

-- A stop or target that was hit, or a pending order that was triggered, so lately that no list of positions was asked
-- for since, nor its history and balance.
local function moved_lately(run)
  local now = clock.market_ms()
  for _, id in ipairs(run.venue.ids) do
    if #run.venue.sim:closed(id, now - 40 * SECOND, now) > 0 then return true end
    for _, p in ipairs(run.venue.sim:positions(id)) do
      if run.venue.by_id[p.id].pending and p.opened_ms > now - 40 * SECOND then return true end
    end
  end
  return false
end

-- What was begun in the last moments has its time, too: that a close went into a connection that had died is told by
-- its time-out only. What is forgotten is not waited for longer than that takes.
local function await_young(run)
  local busy_ms, most_ms = run.plan.end_ms + 60 * SECOND, run.plan.end_ms + 300 * SECOND
  run.account:read()
  while run.account:busy() and clock.io_ms() < busy_ms or moved_lately(run) and clock.io_ms() < most_ms do
    task.sleep(2 * SECOND, "io")
    run.account:read()
  end
end

-- ---- the verdict ---------------------------------------------------------------------------------

-- Errors in the engine's log are bugs, whatever the broker does to it.
local function check_log(run)
  for line in (fs.read(core.folder() .. "/log", 1 << 26) or ""):gmatch("[^\n]+") do
    local text = line:match("^%S+ ERROR (.*)")
    -- What cannot be told apart is told to the operator as loudly.
    if text and not text:match("say which on the Trading page, or by the command assign") then
      run.checker:violation("log", "%s", text:sub(1, 300))
    end
  end
end

local function check_prefixes(run)
  if not run.options.samples then return end
  local folder = run.data .. "/journal"
  local count, why = core.fold(folder, core.folder() .. "/prefix", run.options.samples, run.options.seed)
  if not count then run.checker:violation("prefix", "%s", why) end
  run.prefixes = count or 0
end

local function verdict(run)
  local o, c = run.options, run.account.counts
  local ok = #run.checker.violations == 0
  local writes, sends = core.counts()
  local lines = { ok and "ok" or "bad", "hash " .. core.digest(run.data .. "/journal"),
    ("counts events=%d intents=%d opened=%d unknown=%d absent=%d adopted=%d closings=%d lives=%d prefixes=%d"
      .. " writes=%d sends=%d"):format(run.account.last, c.intent or 0, #run.venue.opened, c.order_unknown or 0,
      c.order_absent or 0, c.order_adopted or 0, run.checker.closings or 0, run.life, run.prefixes or 0, writes,
      sends) }
  if o.watch then
    local until_ms = run.begin_ms + run.plan.end_ms
    for _, line in ipairs(digest.others(run.data .. "/journal", o.watch, until_ms)) do
      lines[#lines + 1] = "other " .. line
    end
  end
  for _, v in ipairs(run.checker.violations) do
    lines[#lines + 1] = ("violation %.3f %s: %s"):format(v.at_ms / 1000, v.rule, (v.text:gsub("%s*\n%s*", " | ")))
  end
  local first = run.checker.violations[1]
  if first or o.trace then
    local ask = { events = run.account:newest(), orders = run.account.orders, exchanges = run.venue:history(),
      begin_ms = run.begin_ms, until_ms = first and not o.trace and first.at_ms or math.maxinteger, all = o.trace,
      account = first and not o.trace and first.text:match("365%d%d%d") or nil }
    for _, line in ipairs(trace.lines(ask)) do lines[#lines + 1] = "trace " .. line end
  end
  return table.concat(lines, "\n") .. "\n"
end

function finish(run)
  if run.ended then return end
  run.ended = true
  run.checker:finish()
  if not core.running() then run.checker:violation("alive", "no engine runs at the end") end
  check_log(run)
  check_prefixes(run)
  core.finish(verdict(run))
end

--- Runs what the options say and finishes with a verdict: "ok" or "bad", then lines of a word and a text each.
function keeper.start()
  local options = read_options()
  local run = { options = options, data = core.folder() .. "/engine", life = 0, downs = {},
    begin_ms = clock.market_ms() }
  run.venue = venue.open { seed = options.seed, folder = core.folder(), accounts = options.accounts }
  run.plan = plan.draw(options, run.venue.ids)
  run.faults = faults.new(run.plan, options.seed, function(bytes) return run.venue:account_of(bytes) end,
    function(account) return run.venue.broker.accounts[account].user end)
  run.account = accounts.new()
  run.checker = checker.new { venue = run.venue, account = run.account, limits = keeper.LIMITS, now = clock.io_ms }
  run.venue:serve(run.faults)
  watch_network(run)
  tick(run)
  task.spawn(run_market, run)
  run_outages(run)
  begin_life(run)
  task.spawn(run_actions, run)
  sleep_until(run.plan.quiet_ms)
  core.arm()
  run.venue:note { what = "---- connectivity is back for good" }
  sleep_until(run.plan.end_ms)
  await_young(run)
  finish(run)
end

return keeper
