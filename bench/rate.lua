local n = 0
wrk.headers["content-type"] = "application/json"
request = function()
  n = (n + 7919) % 100000
  local body = '{"subject":"subject' .. (n % 1000) .. '","score":' .. (1 + n % 5) .. ',"comment":"Good, on the whole."}'
  return wrk.format("POST", "/v1/ratings?user=user" .. n, nil, body)
end
