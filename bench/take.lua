local n = 0
wrk.headers["content-type"] = "application/json"
request = function()
  n = (n + 7919) % 100000
  return wrk.format("POST", "/v1/limits/ratings/take", nil, '{"key":"user' .. n .. '","cost":1}')
end
