-- The `wrk` table as scripts see it. The program fills in scheme, host, port, authority, path, headers (those of -H),
-- seed, and the functions lookup, connect and time_us before this runs, and `thread` of a thread's state after it.

-- What scripts print and what the program prints come out in the order in which they were printed.
io.stdout:setvbuf("line")

wrk.method = "GET"
wrk.body = nil

-- The program gives back why there is no value; raised here, it is a string with the script's line in it.
local function raising(f)
  return function(...)
    local value, why = f(...)
    if why then
      error(why, 2)
    end
    return value
  end
end
wrk.lookup = raising(wrk.lookup)
wrk.connect = raising(wrk.connect)

-- The Host header for the target.
local function target()
  local host = wrk.host
  if host:find(":", 1, true) then
    host = "[" .. host .. "]"
  end
  return wrk.port and host .. ":" .. wrk.port or host
end

-- The text of a request. What is not given is taken from `wrk`; `path` goes through as it is, absolute URLs too.
function wrk.format(method, path, headers, body)
  method = method or wrk.method
  path = path or wrk.path
  headers = headers or wrk.headers
  body = body or wrk.body

  local lines = { method .. " " .. path .. " HTTP/1.1" }
  if not headers["Host"] then
    lines[2] = "Host: " .. (wrk.headers["Host"] or target())
  end
  for name, value in pairs(headers) do
    if name ~= "Content-Length" then
      lines[#lines + 1] = name .. ": " .. tostring(value)
    end
  end
  if body then
    lines[#lines + 1] = "Content-Length: " .. string.len(body)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = body or ""
  return table.concat(lines, "\r\n")
end

-- In the main state, once: finds the addresses of the target that take connections.
function wrk.resolve(host, service)
  wrk.addrs = {}
  for _, addr in ipairs(wrk.lookup(host, service)) do
    if wrk.connect(addr) then
      table.insert(wrk.addrs, addr)
    end
  end
end

-- In the main state, for each thread before it starts.
function wrk.setup(thread)
  if wrk.addrs and wrk.addrs[1] then
    thread.addr = wrk.addrs[1]
  end
  if type(setup) == "function" then
    setup(thread)
  end
end

-- In each thread's state, before its first request: runs the script's own init, then builds the request of scripts
-- that have no function for it.
function wrk.init(args)
  if not wrk.headers["Host"] then
    wrk.headers["Host"] = target()
  end
  if type(init) == "function" then
    init(args)
  end
  local built = wrk.format()
  wrk.request = function()
    return built
  end
end

-- What the program calls. A script may replace its functions while it runs.
return {
  request = function()
    return (request or wrk.request)()
  end,
  response = function(status, headers, body)
    if response then
      return response(status, headers, body)
    end
  end,
  delay = function()
    return delay and delay()
  end,
}
