-- wrk's requests for docs/performance.md: related items of ids drawn uniformly from a file with one id a line.
--   wrk -t1 -c16 -d20s --latency -s scripts/serving/load-related.lua http://127.0.0.1:8080 -- ids.txt '?k=20' [PAUSE]
-- PAUSE: milliseconds that a connection waits after an answer, on average (default 0: full speed).
-- One string and an array that Lua's collector does not look into: a table of a million ids kept it, and every connection, busy for a tenth of a second
-- now and then, which looked like the server's latency.
local ffi = require("ffi")
local text, ends, count, query, pause = "", nil, 0, "", 0

function init(arguments)
    local file = assert(io.open(arguments[1]))
    text = file:read("*a"):gsub("[^%w%-._~\n]", function(c) return string.format("%%%02X", c:byte()) end)
    file:close()
    if text:sub(-1) ~= "\n" then text = text .. "\n" end
    local _, lines = text:gsub("\n", "")
    ends = ffi.new("uint32_t[?]", lines + 1)
    for place in text:gmatch("()\n") do
        count = count + 1
        ends[count] = place
    end
    query = arguments[2] or "?k=20"
    pause = tonumber(arguments[3] or "0")
    -- wrk calls delay, where there is one, for every request; without one it asks at full speed.
    if pause > 0 then
        function delay()
            local whole = math.floor(pause)
            return whole + (math.random() < pause - whole and 1 or 0)
        end
    end
    math.randomseed(7)
end

function request()
    local line = math.random(count)
    return wrk.format("GET", "/v1/items/" .. text:sub(ends[line - 1] + 1, ends[line] - 1) .. "/related" .. query)
end

function done(summary)
    local errors = summary.errors
    print(string.format("errors: connect %d, read %d, write %d, status %d, timeout %d", errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
