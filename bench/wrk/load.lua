-- The load script of every target, so that the load generator costs the same for each.
--   wrk … -s load.lua URL -- get [AUTHORIZATION]
--   wrk … -s load.lua URL -- post AUTHORIZATION BODY
--   wrk … -s load.lua URL -- upload BYTES
--   wrk … -s load.lua URL -- once AUTHORIZATION FILE FIRST COUNT    each line of FILE from FIRST on is the token of one form POST
--   wrk … -s load.lua URL -- turn AUTHORIZATION FILE FIRST COUNT    the same, from the start again after the last
--   wrk … -s load.lua URL -- cookies NAME FILE FIRST COUNT [HEADER VALUE]…    each line is the cookie of one GET, in turn
-- There is no response() here: it would make wrk several times slower. What is wrong with answers shows in the counted
-- statuses and, for what is wrong with status 200, in the bytes per answer.

local function post(authorization, body)
        wrk.method = "POST"
        wrk.body = body
        wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
        wrk.headers["Authorization"] = authorization
end

local function read_requests(path, first, count)
        local requests, line_number = {}, 0

        for line in io.lines(path) do
                line_number = line_number + 1
                if line_number >= first and #requests < count then
                        requests[#requests + 1] = wrk.format(nil, nil, nil, "token=" .. line)
                end
        end
        return requests
end

-- A million requests would not fit into Lua's memory: only their cookies are kept.
local function get_with_cookies(args)
        local first, count = tonumber(args[4]), tonumber(args[5])
        local cookies, line_number, next_cookie = {}, 0, 0

        for line in io.lines(args[3]) do
                line_number = line_number + 1
                if line_number >= first and #cookies < count then
                        cookies[#cookies + 1] = line
                end
        end
        for i = 6, #args, 2 do
                wrk.headers[args[i]] = args[i + 1]
        end
        wrk.headers["Cookie"] = args[2] .. "=@"
        local before, after = wrk.format():match("^(.-)@(.*)$")

        function request()
                next_cookie = next_cookie % #cookies + 1
                return before .. cookies[next_cookie] .. after
        end
end

local threads = {}

function setup(thread)
        threads[#threads + 1] = thread
end

local function prepare(args)
        local what = args[1]

        if what == "get" then
                wrk.headers["Authorization"] = args[2]
                return
        end
        if what == "upload" then
                wrk.method = "POST"
                wrk.body = string.rep("x", tonumber(args[2]))
                return
        end
        if what == "cookies" then
                get_with_cookies(args)
                return
        end
        post(args[2], args[3])
        if what == "post" then
                return
        end

        local requests = read_requests(args[3], tonumber(args[4]), tonumber(args[5]))
        local next_request = 0
        wrk.body = nil
        -- Sent when the tokens have run out: it is refused, so the run counts as failed.
        local nothing_left = wrk.format(nil, nil, nil, "token=")

        function request()
                next_request = next_request + 1
                if next_request > #requests then
                        if what == "once" then
                                return nothing_left
                        end
                        next_request = 1
                end
                return requests[next_request]
        end
end

function init(args)
        prepare(args)
        clock_at_start = os.clock()
end

function done(summary, latency)
        local e = summary.errors
        local load_seconds = os.clock() - threads[1]:get("clock_at_start") -- of processor time, for all threads

        print(string.format('BENCH {"requests":%d,"microseconds":%d,"bytes":%d,"p50_us":%d,"p99_us":%d,"load_seconds":%f,' ..
                '"errors":{"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}}',
                summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99), load_seconds,
                e.status, e.connect, e.read, e.write, e.timeout))
end
