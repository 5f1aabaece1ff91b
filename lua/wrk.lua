-- The `wrk` table of scripts. Before this file runs, the program sets scheme, host, port, authority, path, method (of -X),
-- body (of --body), headers (of -H), seed, and the functions lookup, connect and time_us. In the state of a thread it sets `thread` afterwards.

-- With line buffering, the output of scripts and of the program stays in order.
io.stdout:setvbuf("line")

-- What prints an error cuts it at its first NUL byte. Such a byte becomes the escape that Lua has for it.
local function escape_nul(message)
  return type(message) == "string" and message:gsub("%z", "\\0") or message
end
local raise, check = error, assert
function error(message, level)
  return raise(escape_nul(message), level)
end
function assert(...)
  local value, message = ...
  if value or type(message) ~= "string" then
    return check(...)
  end
  return check(value, escape_nul(message))
end

-- A function of the program returns a value, or nil and the reason of its failure. Raised here, the reason is a string
-- with the line of the script.
local function raise_failures(f)
  return function(...)
    local value, why = f(...)
    if why then
      error(why, 2)
    end
    return value
  end
end
wrk.lookup = raise_failures(wrk.lookup)
wrk.connect = raise_failures(wrk.connect)

-- Whether `name` is the header `lower_case`. The case of a name does not matter.
local function is_header(name, lower_case)
  return type(name) == "string" and #name == #lower_case and name:lower() == lower_case
end

-- Returns the key of `headers` that is the header `name`, if there is one.
local function find_header(headers, name)
  local lower_case = tostring(name):lower()
  for key in pairs(headers) do
    if is_header(key, lower_case) then
      return key
    end
  end
end

-- The headers of -H. A header that a script sets replaces one with the same name in another case.
local given = wrk.headers
wrk.headers = setmetatable({}, {
  __index = function(headers, name)
    local key = find_header(headers, name)
    return key and rawget(headers, key)
  end,
  __newindex = function(headers, name, value)
    rawset(headers, find_header(headers, name) or name, value)
  end,
})
for _, header in ipairs(given) do
  wrk.headers[header[1]] = header[2]
end

-- The Host header for the target.
local function format_host()
  local host = wrk.host
  if host:find(":", 1, true) then
    host = "[" .. host .. "]"
  end
  return wrk.port and host .. ":" .. wrk.port or host
end

-- The Host header in wrk.headers, which a script may have replaced by a plain table.
local function find_host()
  return wrk.headers["Host"] or wrk.headers[find_header(wrk.headers, "Host")]
end

-- Returns the text of a request. Omitted arguments are taken from `wrk`. `path` is used unchanged, and may be an absolute
-- URL.
function wrk.format(method, path, headers, body)
  method = method or wrk.method
  path = path or wrk.path
  headers = headers or wrk.headers
  body = body or wrk.body

  -- The second line is that of Host.
  local lines = { method .. " " .. path .. " HTTP/1.1", "" }
  local host
  for name, value in pairs(headers) do
    if is_header(name, "host") then
      host = value
    elseif not is_header(name, "content-length") then
      lines[#lines + 1] = name .. ": " .. tostring(value)
    end
  end
  lines[2] = "Host: " .. tostring(host or find_host() or format_host())
  if body then
    lines[#lines + 1] = "Content-Length: " .. string.len(body)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = body or ""
  return table.concat(lines, "\r\n")
end

-- Called once in the main state. Finds the addresses of the target that accept connections.
function wrk.resolve(host, service)
  wrk.addrs = {}
  for _, addr in ipairs(wrk.lookup(host, service)) do
    if wrk.connect(addr) then
      table.insert(wrk.addrs, addr)
    end
  end
end

-- Called in the main state for each thread before it starts.
function wrk.setup(thread)
  if wrk.addrs and wrk.addrs[1] then
    thread.addr = wrk.addrs[1]
  end
  if type(setup) == "function" then
    setup(thread)
  end
end

-- Called in the state of each thread before its first request. Calls the script's init, and then builds the request of
-- scripts that have no request function.
function wrk.init(args)
  if not find_host() then
    wrk.headers["Host"] = format_host()
  end
  if type(init) == "function" then
    init(args)
  end
  local built = wrk.format()
  wrk.request = function()
    return built
  end
end

-- The functions that the program calls. They look up the script's functions at each call, so that a script can replace
-- them while it runs.
return {
  request = function()
    return (request or wrk.request)()
  end,
  response = function(status, headers, body, all)
    if response then
      return response(status, headers, body, all)
    end
  end,
  delay = function()
    return delay and delay()
  end,
}
