-- The `wrk` table as scripts see it. The program fills in scheme, host, port, path, headers (those of -H), seed and
-- the functions lookup and connect before this runs, and calls wrk.init once before the first request.

wrk.method = "GET"
wrk.body = nil

-- The text of a request. What is not given is taken from `wrk`; `path` goes through as it is, absolute URLs too.
function wrk.format(method, path, headers, body)
  method = method or wrk.method
  path = path or wrk.path
  headers = headers or wrk.headers
  body = body or wrk.body

  local lines = { method .. " " .. path .. " HTTP/1.1" }
  if not headers["Host"] then
    lines[2] = "Host: " .. tostring(wrk.headers["Host"])
  end
  for name, value in pairs(headers) do
    if name ~= "Content-Length" then
      lines[#lines + 1] = name .. ": " .. tostring(value)
    end
  end
  if body then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = body or ""
  return table.concat(lines, "\r\n")
end

-- Runs the script's own init, then builds the request of scripts that have no function for it.
function wrk.init(args)
  if not wrk.headers["Host"] then
    wrk.headers["Host"] = wrk.authority
  end
  if type(init) == "function" then
    init(args)
  end
  local built = wrk.format()
  wrk.request = function()
    return built
  end
end
