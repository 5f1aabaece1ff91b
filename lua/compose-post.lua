-- Composes posts for a social network: a text with mentions and links, and some media. The form is that of
-- /wrk2-api/post/compose in DeathStarBench's social network.
--
--   max_user_index   (environment variable) the number of users, default 962

local users = tonumber(os.getenv("max_user_index")) or 962
assert(users >= 2, "max_user_index must be at least 2, because a user mentions another one")

local random = math.random
math.randomseed(wrk.seed or os.time())

local letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

-- Returns a random text of n characters from `set`.
local function random_text(n, set)
  local bytes = {}
  for i = 1, n do
    bytes[i] = set:byte(random(#set))
  end
  return string.char(unpack(bytes))
end

-- Returns a random user other than `user`.
local function other_user(user)
  local other = random(0, users - 2)
  return other < user and other or other + 1
end

-- As in DeathStarBench, the request line contains an absolute URL.
local path = wrk.path ~= "/" and wrk.path or "/wrk2-api/post/compose"
local url = wrk.scheme .. "://" .. wrk.authority .. path
if not wrk.headers["Content-Type"] then
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
end

request = function()
  local user = random(0, users - 1)
  local text = { random_text(256, letters) }
  for _ = 1, random(1, 6) do
    text[#text + 1] = "%40username_" .. other_user(user)
  end
  for _ = 1, random(1, 6) do
    text[#text + 1] = "http%3A%2F%2F" .. random_text(64, letters)
  end

  local ids, types = {}, {}
  for i = 1, random(1, 5) do
    ids[i] = "%22" .. random_text(18, "0123456789") .. "%22"
    types[i] = "%22png%22"
  end

  local body = "username=username_" .. user
    .. "&user_id=" .. user
    .. "&text=" .. table.concat(text, "+")
    .. "&media_ids=%5B" .. table.concat(ids, "%2C") .. "%5D"
    .. "&media_types=%5B" .. table.concat(types, "%2C") .. "%5D"
    .. "&post_type=0"
  return wrk.format("POST", url, nil, body)
end
