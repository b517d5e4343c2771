-- wrk's requests for docs/performance.md: related items of ids drawn uniformly from a file with one id a line.
--   wrk -t1 -c16 -d20s --latency -s scripts/serving/load-related.lua http://127.0.0.1:8080 -- ids.txt '?k=20' [PAUSE]
-- PAUSE: milliseconds that a connection waits after an answer, on average (default 0: full speed).
local ids, query, pause = {}, "", 0

function init(arguments)
    for line in io.lines(arguments[1]) do ids[#ids + 1] = line:gsub("[^%w%-._~]", function(c) return string.format("%%%02X", c:byte()) end) end
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
    return wrk.format("GET", "/v1/items/" .. ids[math.random(#ids)] .. "/related" .. query)
end

function done(summary)
    local errors = summary.errors
    print(string.format("errors: connect %d, read %d, write %d, status %d, timeout %d", errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
