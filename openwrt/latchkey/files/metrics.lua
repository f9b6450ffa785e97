-- SPDX-License-Identifier: Apache-2.0
--
-- Collector "latchkey" of prometheus-node-exporter-lua. metrics.uc is the same for the other exporter, and
-- says why each metric is what it is.

local ubus = require "ubus"

local function status()
  local bus = ubus.connect()
  local answer = bus and bus:call("latchkey", "status", {})
  if bus then bus:close() end
  return answer or error("ubus has no latchkey: is rpcd running?")
end

-- escaped is for what the exporter puts between quotes as it is.
local function escaped(text)
  return (tostring(text):gsub("[\\\"\n]", { ["\\"] = "\\\\", ["\""] = "\\\"", ["\n"] = "\\n" }))
end

-- family declares a metric, and returns what writes its samples: labels, value. This exporter has no place for
-- what a metric means.
local function family(kind, name)
  local write = metric(name, kind)
  return function(labels, value)
    for label, text in pairs(labels or {}) do labels[label] = escaped(text) end
    write(labels, value)
  end
end

local function flag(is) return is and 1 or 0 end

-- seconds returns a time of RFC 3339 in seconds since 1970 UTC; os.time knows the router's own zone only.
local function seconds(time)
  local year, month, day, hour, minute, second, zone = time:match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)[.%d]*(.*)$")
  if not year then return 0 end
  local shift = month <= "02" and 1 or 0 -- the year begins in March: a leap day is its last
  local years, months = year - shift, (month + 9) % 12
  local days = 365 * years + math.floor(years / 4) - math.floor(years / 100) + math.floor(years / 400) +
    math.floor((153 * months + 2) / 5) + day - 719469
  local sign, hours, minutes = zone:match("^([+-])(%d+):(%d+)$")
  local east = sign and (hours * 3600 + minutes * 60) * (sign == "-" and -1 or 1) or 0
  return days * 86400 + hour * 3600 + minute * 60 + second - east
end

local function scrape()
  local s = status()

  family("gauge", "latchkey_up")(nil, flag(s.running))
  if not s.running then return end

  family("gauge", "latchkey_info")({ version = s.version }, 1)
  family("gauge", "latchkey_start_time_seconds")(nil, seconds(s.since))
  if s.memory then
    family("gauge", "latchkey_resident_memory_bytes")(nil, s.memory)
  end
  family("gauge", "latchkey_clock_synchronised")(nil, flag(s.clock == "synchronised"))
  family("counter", "latchkey_packets_total")(nil, s.packets)

  local up = family("gauge", "latchkey_device_up")
  for _, d in ipairs(s.devices) do up({ device = d.name }, flag(d.state == "up")) end
  local coarse = family("gauge", "latchkey_device_filter_coarse")
  for _, d in ipairs(s.devices) do coarse({ device = d.name }, flag(d.coarse)) end
  local dropped = family("counter", "latchkey_device_dropped_packets_total")
  for _, d in ipairs(s.devices) do dropped({ device = d.name }, d.dropped or 0) end

  local ready = family("gauge", "latchkey_door_ready")
  for _, d in ipairs(s.doors) do ready({ door = d.name }, flag(d.state == "ready")) end
  local grants = family("gauge", "latchkey_grants")
  for _, d in ipairs(s.doors) do grants({ door = d.name }, #d.grants + (d.more or 0)) end
  local last = family("gauge", "latchkey_client_last_knock_timestamp_seconds")
  for _, c in ipairs(s.clients) do
    if c.last then last({ client = c.name }, seconds(c.last)) end
  end

  local events = family("counter", "latchkey_events_total")
  for _, c in ipairs(s.counts or {}) do
    events({ kind = c.kind, door = c.door, reason = c.reason }, c.count)
  end
end

return { scrape = scrape }
