-- SPDX-License-Identifier: MIT
--
-- Tasks: coroutines on the loop. The primitives (spawn, sleep, event, queue, run, ...) are C; here
-- are the ways to run several together. Each is a scope: it returns only when all tasks that it
-- started have ended, and when it is cancelled or fails it cancels them first.
--
-- A cancelled task gets nil, err{code = "cancelled"} from the wait that it is in (or from its next
-- one), once; it is expected to clean up and to end. An error that nobody joins within 100 ms is
-- logged with its traceback.

local core = require("perigee.task.core")
local err = require("perigee.err")

---@class Task
---@field cancel fun(self: Task)
---@field join fun(self: Task): boolean|nil, any
---@field done fun(self: Task): boolean

local task = {
  ---@type fun(fn: function, ...: any): Task
  spawn = core.spawn,
  ---@type fun(ms: number, clock?: "io"|"market"): boolean|nil, table|nil
  sleep = core.sleep,
  ---@type fun(): boolean|nil, table|nil
  yield = core.yield,
  ---@type fun(fn: function, ...: any): any
  run = core.run,
  ---@type fun(): boolean|nil, table|nil
  settled = core.settled,
  event = core.event,
  queue = core.queue,
  ---@type fun(): Task|nil
  self = core.self,
  ---@type fun(): integer
  count = core.count,
}

-- An error value with its traceback, as an err; errs pass as they are.
local function failure(value)
  if err.is(value) then
    return value
  end
  local e = err.new("failed", tostring(value), "task", "no", value)
  e.traceback = debug.traceback(e.message, 2)
  return e
end

local function capture(fn)
  local r = table.pack(xpcall(fn, failure))
  if not r[1] then
    return { ok = false, err = r[2] }
  end
  local out = table.move(r, 2, r.n, 1, { ok = true, n = r.n - 1 })
  return out
end

-- A scope of `count` workers; its <close> cancels what still runs and waits for it.
local function new_scope()
  local scope = { tasks = {}, alive = 0, stop = false, ended = core.event() }

  function scope.start(body)
    scope.alive = scope.alive + 1
    scope.tasks[#scope.tasks + 1] = core.spawn_quiet(function()
      local guard <close> = setmetatable({}, {
        __close = function()
          scope.alive = scope.alive - 1
          scope.ended:set()
        end,
      })
      body()
      return guard and nil
    end)
  end

  -- Cancels all and waits for their ends; a second cancelling of the caller is passed on too.
  function scope.finish()
    scope.stop = true
    for _, t in ipairs(scope.tasks) do
      if not t:done() then
        t:cancel()
      end
    end
    while scope.alive > 0 do
      local pending = 0
      for _, t in ipairs(scope.tasks) do
        if not t:done() then
          pending = pending + 1
          t:join()
        end
      end
      if pending == 0 then
        break -- those that were cancelled before they began never touched `alive`
      end
    end
  end

  return scope
end

local function check_functions(name, fns)
  if type(fns) ~= "table" then
    error(name .. ": an array of functions expected, got " .. type(fns), 3)
  end
  for i = 1, #fns do
    if type(fns[i]) ~= "function" then
      error(("%s: function expected at %d, got %s"):format(name, i, type(fns[i])), 3)
    end
  end
end

--- Runs all functions, at most `limit` at once, and waits for every one.
---@param fns function[]
---@param limit? integer
---@return table[]|nil results {ok = true, n = .., ...} or {ok = false, err = ..}, in the order of fns
---@return table|nil err when the caller was cancelled
function task.all(fns, limit)
  check_functions("task.all", fns)
  if limit ~= nil and (math.type(limit) ~= "integer" or limit < 1) then
    error("task.all: the limit is an integer above 0", 2)
  end
  local n, results, nextup = #fns, {}, 0
  local scope = new_scope()
  local function worker()
    while nextup < n and not scope.stop do
      nextup = nextup + 1
      local mine = nextup
      results[mine] = capture(fns[mine])
    end
  end
  for _ = 1, math.min(n, limit or n) do
    scope.start(worker)
  end
  while scope.alive > 0 do
    local ok, e = scope.ended:wait()
    if not ok then
      scope.finish()
      return nil, e
    end
  end
  return results
end

-- Runs bodies until the first has ended; returns its index and capture, or nil, err.
local function first_of(fns, ms)
  local scope = new_scope()
  local winner, result
  for i = 1, #fns do
    scope.start(function()
      local r = capture(fns[i])
      if winner == nil and not scope.stop then
        winner, result = i, r
      end
    end)
  end
  local deadline_error
  while winner == nil do
    local ok, e = scope.ended:wait(ms)
    if not ok then
      deadline_error = e
      break
    end
  end
  scope.finish()
  return winner, result, deadline_error
end

--- Runs all functions until the first ends; the others are cancelled and waited for.
---@param fns function[] at least one
---@return integer|nil index, any ... its results; index, nil, err when it raised
function task.race(fns)
  check_functions("task.race", fns)
  if #fns == 0 then
    error("task.race: at least one function expected", 2)
  end
  local index, result, e = first_of(fns)
  if index == nil then
    return nil, e
  elseif not result.ok then
    return index, nil, result.err
  end
  return index, table.unpack(result, 1, result.n)
end

--- Runs fn for at most `ms` io milliseconds. An error of fn is raised here.
---@param ms number
---@param fn function
---@param ... any arguments of fn
---@return any ... its results; nil, err (code "timeout") when it took longer
function task.timeout(ms, fn, ...)
  if type(fn) ~= "function" then
    error("task.timeout: a function expected, got " .. type(fn), 2)
  end
  local args = table.pack(...)
  local index, result, e = first_of({
    function()
      return fn(table.unpack(args, 1, args.n))
    end,
  }, ms)
  if index == nil then
    if e.code == "timeout" then
      e = err.new("timeout", ("not done within %s ms"):format(ms), "task.timeout", "reconcile")
    end
    return nil, e
  elseif not result.ok then
    error(result.err, 0)
  end
  return table.unpack(result, 1, result.n)
end

--- Runs fn(...) as the task owner[field], one at a time: who calls while it runs waits for the same one. It goes on
--- when a caller that waits for it is cancelled. After it has ended in order the field is nil.
---@param owner table
---@param field string
---@param fn function
---@param ... any arguments of fn, when it does not run yet
---@return boolean|nil finished as of Task:join
---@return any ... what fn returned, or the error
function task.shared(owner, field, fn, ...)
  local running = owner[field]
  if not running or running:done() then
    local args = table.pack(...)
    running = core.spawn(function()
      local results = table.pack(fn(table.unpack(args, 1, args.n)))
      owner[field] = nil
      return table.unpack(results, 1, results.n)
    end)
    owner[field] = running
  end
  local joined = table.pack(running:join())
  if owner[field] == running and running:done() then owner[field] = nil end -- it raised, or never began
  return table.unpack(joined, 1, joined.n)
end

--- Cancels the task owner[field] and waits until it has ended; nothing when there is none.
---@param owner table
---@param field string
function task.finish(owner, field)
  local running = owner[field]
  if running and not running:done() then
    running:cancel()
    running:join()
  end
end

return task
