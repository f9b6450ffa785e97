// SPDX-License-Identifier: Apache-2.0

// The ubus object "latchkey.network": what setting up a door takes from the router's network, and has
// nothing to do with knocks. latchkeyd itself resolves no name and opens no socket.

'use strict';

import { readfile } from 'fs';
import { task, timer } from 'uloop';
import { addrinfo, error, SOCK_STREAM } from 'socket';
import { change, inForce } from 'latchkey.change';

const CONFIG = '/etc/config';
const LEASES = '/tmp/dhcp.leases';  // of dnsmasq, unless it is told otherwise
const NOT_FOUND = [ -2, -5 ];       // EAI_NONAME, EAI_NODATA (netdb.h)
const PATIENCE = 15000;             // milliseconds for a name; the system's own resolver takes 5 to 10 s
const FRESH = 10000;                // milliseconds in which an answer is good for whoever asks again
const MOST_ANSWERS = 16;            // that are kept for that long
const MOST_LEASES = 256;            // in one answer
const MOST_ADDRESSES = 8;           // of a name

// matches tells whether the whole of a text is like a pattern: to ucode, ^ and $ are the ends of a line.
function matches(text, pattern) {
	return type(text) == 'string' && match(text, pattern)?.[0] == text;
}

// addressesOf asks the system's resolver, which may take its time.
function addressesOf(host) {
	const found = addrinfo(host, null, { socktype: SOCK_STREAM });
	const addresses = [];

	if (!found)
		return (error(true) in NOT_FOUND) ? { addresses } : { error: `the router cannot look names up: ${error()}`, hint: 'is it connected?' };
	for (let f in found)
		if (!(f.addr.address in addresses) && length(addresses) < MOST_ADDRESSES)
			push(addresses, f.addr.address);

	return { addresses };
}

let pending = null;  // the one name that is looked up now
const answers = {};  // by name, up to MOST_ANSWERS, the oldest first: { answer, end }

function forget(host) {
	answers[host]?.end?.cancel();
	delete answers[host];
}

function remember(host, answer) {
	forget(host);
	if (length(answers) >= MOST_ANSWERS)
		forget(keys(answers)[0]);
	answers[host] = { answer, end: timer(FRESH, () => forget(host)) };
}

// lookUp has another process wait for the addresses of a name, because rpcd serves everybody in turn.
function lookUp(host) {
	let lookup, end;

	pending = host;

	const answered = answer => {
		if (!end)
			return;
		end.cancel();
		end = pending = null;
		remember(host, answer ?? { error: 'the router cannot look names up', hint: '' });
	};

	end = timer(PATIENCE, () => {
		lookup?.kill();
		answered({ error: 'the router’s name server does not answer', hint: 'is it connected?' });
	});
	lookup = task(() => addressesOf(host), answered);
	if (!lookup)
		answered(null);
}

// resolve tells the addresses of a name, as the router sees it: { pending: true } until they are there, and
// who asked asks again. One name is looked up at a time, for PATIENCE at most, and the others wait. The pattern
// bounds what is asked and kept; whether that is a name of a host, LuCI and latchkeyd say.
function resolve(args) {
	const host = args.host;

	if (!matches(host, /^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$/))
		return { error: `'${host}' is not the name of a host`, hint: 'a name such as home.example.net' };
	if (answers[host])
		return answers[host].answer;
	if (pending == null)
		lookUp(host);

	return { pending: true };
}

// list returns an option's values, however it was written.
function list(value) {
	return filter(split(type(value) == 'array' ? join(' ', value) : value ?? '', /[ \t]+/), w => length(w));
}

// reservations returns the static leases: { section, ips, macs }, hardware addresses in small letters with colons.
function reservations() {
	const found = [];

	inForce(CONFIG, 'dhcp')?.foreach('dhcp', 'host', s => {
		push(found, { section: s['.name'], ips: list(s.ip), macs: map(list(s.mac), m => replace(lc(m), /-/g, ':')) });
	});

	return found;
}

// isReserved tells whether one static lease has this address and this device: elsewhere, each means another one.
function isReserved(lease, hosts) {
	return length(filter(hosts, h => lease.address in h.ips && lease.mac in h.macs)) > 0;
}

// leases returns the devices that have their address from this router, and whether it is theirs for good.
function leases() {
	const hosts = reservations();
	const found = [];
	let file = null;

	inForce(CONFIG, 'dhcp')?.foreach('dhcp', 'dnsmasq', s => { file ??= s.leasefile; });
	for (let line in split(readfile(file || LEASES) ?? '', '\n')) {
		const m = match(line, /^[0-9]+ (([0-9a-f]{2}:){5}[0-9a-f]{2}) ([0-9.]+) ([^ ]+)/);

		if (m && length(found) < MOST_LEASES) {
			const lease = { address: m[3], mac: m[1], name: m[4] == '*' ? '' : m[4] };

			push(found, { ...lease, reserved: isReserved(lease, hosts) });
		}
	}

	return found;
}

// reserve gives the device that has an address now this address for good.
function reserve(args) {
	const lease = filter(leases(), l => l.address == args.address)[0];

	if (!lease)
		return { error: `nobody has the address '${args.address}' from this router`, hint: 'give it its address at the device itself' };
	if (lease.reserved)
		return { address: lease.address, reserved: true };

	const hosts = reservations();
	const theirs = filter(hosts, h => lease.address in h.ips);
	const own = filter(hosts, h => lease.mac in h.macs);
	const other = filter(own, h => length(h.ips))[0];
	const hint = 'change that at Network > DHCP and DNS > Static Leases';

	if (length(theirs))
		return { error: `the address '${lease.address}' is reserved for another device`, hint };
	if (other)
		return { error: `the device ${lease.mac} has '${other.ips[0]}' reserved already`, hint };

	const failed = change(CONFIG, 'dhcp', uci => {
		if (length(own))
			return uci.set('dhcp', own[0].section, 'ip', lease.address);

		const section = uci.add('dhcp', 'host');

		return section && (!matches(lease.name, /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/) || uci.set('dhcp', section, 'name', lease.name)) &&
			uci.set('dhcp', section, 'mac', uc(lease.mac)) && uci.set('dhcp', section, 'ip', lease.address);
	});

	return failed ?? { address: lease.address, reserved: true };
}

return {
	'latchkey.network': {
		resolve: { args: { host: '' }, call: req => resolve(req.args) },
		leases: { call: () => ({ leases: leases() }) },
		reserve: { args: { address: '' }, call: req => reserve(req.args) }
	}
};
