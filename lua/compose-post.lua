-- Composes posts as the users of a social network do: a text with mentions and links, and some media.
-- The form is the one that DeathStarBench's social network takes at /wrk2-api/post/compose.
--
--   max_user_index   (environment) how many users there are, default 962

local users = tonumber(os.getenv("max_user_index")) or 962
assert(users >= 2, "max_user_index must be at least 2: nobody mentions himself")

local random = math.random
math.randomseed(wrk.seed or os.time())

local letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

-- Random text of n characters out of `set`.
local function text_of(n, set)
  local bytes = {}
  for i = 1, n do
    bytes[i] = set:byte(random(#set))
  end
  return string.char(unpack(bytes))
end

local function somebody_else(user)
  local other = random(0, users - 2)
  return other < user and other or other + 1
end

-- The request line holds an absolute URL, as DeathStarBench's does.
local path = wrk.path ~= "/" and wrk.path or "/wrk2-api/post/compose"
local url = wrk.scheme .. "://" .. wrk.authority .. path
local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }

request = function()
  local user = random(0, users - 1)
  local text = { text_of(256, letters) }
  for _ = 1, random(1, 6) do
    text[#text + 1] = "%40username_" .. somebody_else(user)
  end
  for _ = 1, random(1, 6) do
    text[#text + 1] = "http%3A%2F%2F" .. text_of(64, letters)
  end

  local ids, types = {}, {}
  for i = 1, random(1, 5) do
    ids[i] = "%22" .. text_of(18, "0123456789") .. "%22"
    types[i] = "%22png%22"
  end

  local body = "username=username_" .. user
    .. "&user_id=" .. user
    .. "&text=" .. table.concat(text, "+")
    .. "&media_ids=%5B" .. table.concat(ids, "%2C") .. "%5D"
    .. "&media_types=%5B" .. table.concat(types, "%2C") .. "%5D"
    .. "&post_type=0"
  return wrk.format("POST", url, headers, body)
end
