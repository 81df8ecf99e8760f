-- wrk script: POST the template in BODY with a new id for every request, print one JSON line at the end.
local threads = 0
function setup(thread) thread:set("tid", threads); threads = threads + 1 end
function init(args)
  local file = assert(io.open(os.getenv("BODY"), "rb")); local text = file:read("*a"); file:close()
  local at, to = text:find("{{id}}", 1, true)
  before, after = text:sub(1, at - 1), text:sub(to + 1)
  prefix, n = os.getenv("PREFIX") .. tostring(tid or 0) .. "-", 0
  headers = { ["Content-Type"] = "application/json; charset=utf-8", ["X-Huiyin-Key"] = os.getenv("KEY") }
end
function request()
  n = n + 1
  return wrk.format("POST", nil, headers, before .. prefix .. string.format("%08d", n) .. after)
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('JSON {"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"bad":%d}\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.status + e.timeout + e.connect + e.read + e.write))
end
