-- wrk's requests for docs/performance.md: related items of ids drawn uniformly from a file with one id a line.
--   wrk -t1 -c16 -d20s --latency -s scripts/load-related.lua http://127.0.0.1:8080 -- ids.txt '?k=20'
local ids, query = {}, ""

function init(arguments)
    for line in io.lines(arguments[1]) do ids[#ids + 1] = line end
    query = arguments[2] or "?k=20"
    math.randomseed(7)
end

function request()
    return wrk.format("GET", "/v1/items/" .. ids[math.random(#ids)] .. "/related" .. query)
end

function done(summary)
    local errors = summary.errors
    print(string.format("errors: connect %d, read %d, write %d, status %d, timeout %d", errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
