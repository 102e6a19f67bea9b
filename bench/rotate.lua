-- Each request has another caller: a key and an address of callers.tsv, which serve.py wrote.  They are made ready
-- before the load begins, so that the load generator, which shares a core with the upstream, does not pay for them.
local home = os.getenv("GAPURA_BENCH") or os.getenv("HOME") .. "/.cache/gapura-bench"
local requests, at = {}, 0

function init(args)
  for line in io.lines(home .. "/gapura/callers.tsv") do
    local key, address = line:match("^(%S+)\t(%S+)$")
    wrk.headers["Authorization"] = "Bearer " .. key
    wrk.headers["X-Forwarded-For"] = address
    requests[#requests + 1] = wrk.format()
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
