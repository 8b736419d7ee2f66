-- wrk -s wrk.lua URL -- BODY [HEADER VALUE]...: posts the bytes of a file, and prints one line for wrk.py.

function init(args)
  wrk.method = "POST"
  wrk.body = assert(io.open(args[1], "rb")):read("*a")
  for index = 2, #args, 2 do
    wrk.headers[args[index]] = args[index + 1]
  end
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local microseconds = { summary.duration, latency:percentile(50), latency:percentile(99) }
  io.write(string.format("\n%d %d %.0f %.0f %.0f\n", summary.requests, failed, unpack(microseconds)))
end
